"""Files of records as streams: what a file is, decompressed, and divided into records. Pure, standard library only."""

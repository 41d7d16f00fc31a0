"""What a file is: its name, then its Content-Type, then its first character; gzip by its first two bytes alone."""

import gzip

import pytest

from record_files.decompression import UnreadableError
from record_files.encodings import Encoding, recognised
from record_files.splitting import Format

ARRAY, LINES = b" [1]", b'\xef\xbb\xbf{"a": 1}'


@pytest.mark.parametrize(
    ("name", "content_type", "data", "expected"),
    [
        ("a.CSV", "application/x-ndjson", ARRAY, "csv"),
        ("a.ndjson", "", ARRAY, "json-lines"),
        ("a.csv.gz", "", ARRAY, "csv"),
        ("a", "text/csv; charset=utf-8", ARRAY, "csv"),
        ("a.json", "text/csv", ARRAY, "json-array"),
        ("a.json", "", b"7", "json-lines"),
        ("a", "", ARRAY, "json-array"),
        ("a", "", LINES, "json-lines"),
        ("a.csv", "", b"", None),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_is_what_its_name_its_content_type_or_its_first_character_says(
    name: str, content_type: str, data: bytes, expected: str | None, compressed: bool
) -> None:
    raw = gzip.compress(data) if compressed else data
    pieces = (raw[at : at + 1] for at in range(len(raw)))
    encoding, chunks = recognised(pieces, name=name, content_type=content_type, content_encoding="")
    assert b"".join(chunks) == data
    if compressed:
        assert encoding == Encoding(Format(expected or "csv"), compressed=True)
        assert Encoding.parse(str(encoding)) == encoding
    else:
        assert (str(encoding) if encoding else None) == expected


@pytest.mark.parametrize(
    ("data", "content_encoding", "why"), [(b"what", "", "neither the name"), (LINES, "br", "only gzip is")]
)
def test_what_nothing_tells_or_nobody_decodes_is_refused(data: bytes, content_encoding: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        recognised(iter([data]), name="a", content_type="", content_encoding=content_encoding)

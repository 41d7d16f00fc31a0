"""What lets a LocalStack from PyPI run this repository's functions and tables without Docker or downloads."""

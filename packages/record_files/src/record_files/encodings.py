"""What a file of records is, told by its name, its Content-Type and its first bytes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Self

from record_files.decompression import MAGIC, UnreadableError, gathered, gunzip
from record_files.splitting import BOM, RECORD_BYTES, Format

__all__ = ["Encoding", "decoded", "recognised"]

_SUFFIXES = {"jsonl": Format.LINES, "ndjson": Format.LINES, "jsonlines": Format.LINES, "csv": Format.CSV}
_CONTENT_TYPES = {
    **dict.fromkeys(
        ("application/jsonl", "application/x-jsonlines", "application/x-ndjson", "application/ndjson"), Format.LINES
    ),
    "text/csv": Format.CSV,
}
_PLAIN = frozenset({"", "identity", "aws-chunked", "gzip", "aws-chunked,gzip", "gzip,aws-chunked"})
_COMPRESSED = ".gz"


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a file is.

    Whether it is gzip its first two bytes tell, which no text begins with, whatever its name and headers say. Its
    format is told by its name (`.jsonl`, `.ndjson`, `.csv`, each also with `.gz`), else by its Content-Type, and else,
    as for `.json`, by its first character: a bracket begins an array, a brace JSON Lines. A byte order mark and white
    space are none, however many of the pieces that the file comes in they fill.
    """

    format: Format
    compressed: bool

    def __str__(self) -> str:
        return self.format.value + _COMPRESSED * self.compressed

    @classmethod
    def parse(cls, text: str) -> Self:
        """Build it from its text; raises ValueError for anything else."""
        return cls(Format(text.removesuffix(_COMPRESSED)), text.endswith(_COMPRESSED))


def decoded(raw: Iterator[bytes], content_encoding: str) -> tuple[bool, Iterator[bytes]]:
    """Return whether a file is gzip, and its decompressed bytes; raises UnreadableError, also while they come."""
    if "".join(content_encoding.lower().split()) not in _PLAIN:
        raise UnreadableError("the Content-Encoding is none that can be read: only gzip is")
    pieces = gathered(raw)  # so that the first one has all bytes of what tells gzip
    first = next(pieces, b"")
    pieces = chain([first], pieces) if first else pieces
    if first.startswith(MAGIC):
        return True, gathered(gunzip(pieces))
    return False, pieces


def recognised(
    raw: Iterator[bytes], *, name: str, content_type: str, content_encoding: str
) -> tuple[Encoding | None, Iterator[bytes]]:
    """Return what a file is, None where it is empty, and its decompressed bytes; raises UnreadableError."""
    compressed, chunks = decoded(raw, content_encoding)
    if not compressed:
        first = next(chunks, b"")
        if not first:
            return None, chunks
        chunks = chain([first], chunks)
    if (named := _named(name, content_type)) is not None:
        return Encoding(named, compressed), chunks
    begin = _beginning(chunks, RECORD_BYTES)
    return Encoding(_begun(name, begin), compressed), chain([begin], chunks)


def _named(name: str, content_type: str) -> Format | None:
    """Tell a file's format by its name, else by its Content-Type; None where its first character has to."""
    suffix = _suffix(name)
    media_type = content_type.partition(";")[0].strip().lower()
    return _SUFFIXES.get(suffix) or (None if suffix == "json" else _CONTENT_TYPES.get(media_type))


def _suffix(name: str) -> str:
    return name.lower().removesuffix(".gz").removesuffix(".gzip").rpartition(".")[2]


def _begun(name: str, begin: bytes) -> Format:
    """Tell a file's format by its first character; without any it is a file of no records. Raises UnreadableError."""
    first = _first(begin)
    if first == b"[":
        return Format.ARRAY
    if first == b"{" or _suffix(name) == "json" or not first:
        return Format.LINES
    raise UnreadableError("neither the name, the Content-Type nor the first byte tells what the file is")


def _first(begin: bytes) -> bytes:
    """Return a text's first byte behind a mark and white space, none where it has not come yet."""
    return b"" if BOM.startswith(begin) else begin.removeprefix(BOM).lstrip()[:1]


def _beginning(pieces: Iterator[bytes], most: int) -> bytes:
    """Take pieces until one has the first character; raises UnreadableError where `most` bytes have none."""
    begin = bytearray()
    for piece in pieces:
        begin += piece
        if piece.strip() and _first(bytes(begin)):
            break
        if len(begin) > most:
            raise UnreadableError(f"the file begins with more than {most} bytes of white space")
    return bytes(begin)

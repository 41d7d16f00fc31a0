"""A hunt for planted values: which of them stand in streams of bytes, in whatever spelling.

Nothing here knows what masks values. A stream is read once, in pieces, and each piece is looked through at the speed of
`bytes.find`. What is gzip is also looked through unpacked, and so is gzip within gzip.
"""

import base64
import hashlib
import json
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

__all__ = ["LEAST_BYTES", "Hunt", "Trace"]

LEAST_BYTES = 6
"""A shorter value would be found by chance."""

_LAYERS = 4
"""Of gzip within gzip."""

_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 31
"""https://docs.python.org/3/library/zlib.html#zlib.decompressobj: a gzip header and trailer around the data."""

_PIECE_BYTES = 1024 * 1024
_DIGESTS = ("md5", "sha1", "sha256")


@dataclass(frozen=True, order=True)
class Trace:
    """A planted value that was found: where, which by its name, and in which spelling; never the value."""

    place: str
    planted: str
    spelling: str

    def __str__(self) -> str:
        return f"{self.place}: {self.planted}, {self.spelling}"


class Hunt:
    """A search for planted values, by their names.

    A number is planted as its digits. Raises ValueError for a value that is too short to be told from chance.

    >>> hunt = Hunt({"the phone": "+49 30 1234567", "the name": "Maria Beispiel"})
    >>> [str(trace) for trace in hunt.search("a log", [b'{"who": "TWFyaWEgQmVpc3Bp', b'ZWw="}'])]
    ['a log: the name, base64']
    """

    def __init__(self, planted: Mapping[str, str | bytes]) -> None:
        self._patterns: dict[bytes, tuple[str, str]] = {}
        for name, value in planted.items():
            if len(value.encode() if isinstance(value, str) else value) < LEAST_BYTES:
                raise ValueError(f"what is planted as {name!r} has less than {LEAST_BYTES} bytes")
            for spelling, pattern in _spellings(value):
                self._patterns.setdefault(pattern, (name, spelling))

    def search(self, place: str, pieces: Iterable[bytes]) -> Iterator[Trace]:
        """Yield what a stream has of the planted values: each in each of its spellings once."""
        search = _Search(self._patterns, _LAYERS)
        for piece in pieces:
            search.feed(piece)
        search.close()
        for name, spelling in sorted(search.found):
            yield Trace(place, name, spelling)


def _spellings(value: str | bytes) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, bytes):
        yield from _of_bytes(value)
        yield "escaped", repr(value)[2:-1].encode()
        return
    for text in dict.fromkeys([value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD"))]):
        yield from _of_bytes(text.encode())
        once = json.dumps(text)[1:-1]
        for escaped in (once, json.dumps(once)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], ascii(text)[1:-1]):
            yield "escaped", escaped.encode()
        for encoding in ("utf-16-le", "utf-16-be"):
            yield "UTF-16", text.encode(encoding)


def _of_bytes(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "as it is", value
    yield "hex", value.hex().encode()
    yield "hex", value.hex().upper().encode()
    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield "URL-encoded", quoted.encode()
        yield "URL-encoded", _lower_escapes(quoted).encode()
    for before in range(3):
        length = before + len(value)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the characters that also hold bits of what stands before and after it.
            yield "base64", encode(bytes(before) + value)[-(-before * 8 // 6) : length * 8 // 6]
    for name in _DIGESTS:
        # Whoever can guess a value recognizes it by a hash that needs no key.
        digest = hashlib.new(name, value, usedforsecurity=False)
        yield f"its {name}", digest.hexdigest().encode()
        yield f"its {name}", base64.b64encode(digest.digest()).rstrip(b"=")


def _lower_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join([first, *(each[:2].lower() + each[2:] for each in rest)])


class _Search:
    """What was found so far in one stream, and in what it unpacks to."""

    def __init__(self, patterns: Mapping[bytes, tuple[str, str]], layers: int) -> None:
        self.found: set[tuple[str, str]] = set()
        self._patterns = patterns
        self._overlap = max(map(len, patterns), default=1) - 1
        self._layers = layers
        self._window = bytearray()
        self._inflating: _Gunzip | None = None
        self._begun = False

    def feed(self, data: bytes) -> None:
        self._window += data
        if not self._begun and len(self._window) >= len(_GZIP):
            self._begun = True
            if self._layers and self._window.startswith(_GZIP):
                self._inflating = _Gunzip(_Search(self._patterns, self._layers - 1))
                data = bytes(self._window)
        if self._inflating is not None:
            self._inflating.feed(data)
        if len(self._window) >= _PIECE_BYTES + self._overlap:
            self._look()
            del self._window[: len(self._window) - self._overlap]

    def close(self) -> None:
        self._look()
        if self._inflating is not None:
            inner = self._inflating.inner
            inner.close()
            self.found |= {(name, f"{spelling}, gzipped") for name, spelling in inner.found}

    def _look(self) -> None:
        for pattern, what in self._patterns.items():
            if what not in self.found and pattern in self._window:
                self.found.add(what)


class _Gunzip:
    """Feeds what a gzip stream unpacks to, member by member, to a search of its own."""

    def __init__(self, inner: _Search) -> None:
        self.inner = inner
        self._member = zlib.decompressobj(_GZIP_WBITS)

    def feed(self, data: bytes) -> None:
        try:
            while data:
                self.inner.feed(self._member.decompress(data, _PIECE_BYTES))
                data = self._member.unconsumed_tail
                if self._member.eof:
                    data = self._member.unused_data
                    self._member = zlib.decompressobj(_GZIP_WBITS)
        except zlib.error:
            pass  # it was none, or no more: what it unpacked to before was looked through

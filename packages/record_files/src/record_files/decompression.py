"""Gzip as a stream: chunks in, chunks of bounded size out, whatever the ratio. Pure."""

import zlib
from collections.abc import Callable, Iterable, Iterator

__all__ = ["CHUNK_BYTES", "GUNZIPPED_BYTES", "MAGIC", "UnreadableError", "gathered", "gunzip", "skipped"]

MAGIC = b"\x1f\x8b"
"""What every gzip stream begins with, and no text in UTF-8 does: RFC 1952, section 2.3.1."""

CHUNK_BYTES = 256 * 1024

GUNZIPPED_BYTES = 1024 * 1024 * 1024
"""The most bytes that one compressed file is read to. It can be entered at its first byte only, so that whoever goes on
with it has to decompress all that came before."""

_GZIP = 16 + zlib.MAX_WBITS


class UnreadableError(ValueError):
    """A file that can't be read on from here, however often it is tried; the text holds none of it."""


def gunzip(chunks: Iterable[bytes], *, most: int = GUNZIPPED_BYTES) -> Iterator[bytes]:
    """Decompress all members of a gzip file, and ignore zeros after the last, as gzip itself does.

    Raises UnreadableError, after everything that can be had was yielded, where the file ends too early, is damaged
    or gives more than `most` bytes.
    """
    member = zlib.decompressobj(_GZIP)
    begun = False
    total = 0
    for chunk in chunks:
        data = chunk
        while True:
            if member.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                member, begun = zlib.decompressobj(_GZIP), False
            begun = begun or bool(data)
            try:
                out = member.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise UnreadableError("the gzip stream is damaged") from error
            total += len(out)
            if total > most:
                raise UnreadableError(f"the gzip stream gives more than {most} bytes")
            if out:
                yield out
            data = member.unused_data if member.eof else member.unconsumed_tail
            if not data and len(out) < CHUNK_BYTES:
                break
    if begun and not member.eof:
        raise UnreadableError("the gzip stream ends too early")


def gathered(pieces: Iterable[bytes], least: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at least so many, but for the last: a gzip member may be of one byte, or none.

    What came before an error is yielded before it is raised.
    """
    some = bytearray()
    try:
        for piece in pieces:
            some += piece
            if len(some) >= least:
                yield bytes(some)
                some.clear()
    except UnreadableError:
        if some:
            yield bytes(some)
        raise
    if some:
        yield bytes(some)


def skipped(chunks: Iterable[bytes], size: int, out_of_time: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what follows the first so many bytes; raises UnreadableError where the time ends before they have come."""
    left = size
    for chunk in chunks:
        if left >= len(chunk):
            left -= len(chunk)
            if left and out_of_time():
                raise UnreadableError("too much is compressed to be gone on with within the function's time")
            continue
        yield chunk[left:]
        left = 0

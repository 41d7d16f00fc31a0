"""Comparison of a replica's bytes with what its source's are masked to now, as streams."""

import base64
import hashlib
import zlib
from collections.abc import Iterable

from record_files.decompression import MAGIC, UnreadableError
from record_files.encodings import decoded
from replication_core.objects.masked_copy import MaskedObject, masked_blocks
from replication_core.objects.pinned import Gone, PinnedObject
from replication_core.objects.states import Head
from replication_core.reconcile import SourceMoved

__all__ = ["is_masked_so"]


def is_masked_so(asked: MaskedObject, replica: Head, stored: PinnedObject) -> bool:
    """Tell whether a replica has the bytes that its source's are masked to; that it is masked is asked of its source.

    S3's checksum of the whole object tells it without a byte of the replica. Only where that is another of a gzip body,
    which compressors of different versions write differently, or there is none, the replica is read as well, and both
    are compared decompressed. Raises Unclassified where the policy refuses the source, SourceMoved and StoreError.
    """
    crc, is_gzip = _checksum(asked)
    if (replica.checksum_algorithm, replica.checksum) == ("CRC32", crc):
        return True
    # A checksum of an upload's parts ends with their number.
    is_of_whole = replica.checksum_algorithm == "CRC32" and "-" not in (replica.checksum or "-")
    if is_of_whole and not is_gzip:
        return False
    try:
        return _digest(block.data for block in masked_blocks(asked)) == _digest(stored.chunks())
    except UnreadableError:
        return False
    except Gone:
        raise SourceMoved from None


def _checksum(asked: MaskedObject) -> tuple[str, bool]:
    """Return the CRC32 of a masked body as S3 tells one, in base64, and whether it is gzip."""
    crc, begins = 0, b""
    for block in masked_blocks(asked):
        begins = begins or block.data[:2]
        crc = zlib.crc32(block.data, crc)
    return base64.b64encode(crc.to_bytes(4)).decode(), begins == MAGIC


def _digest(chunks: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b()
    for plain in decoded(iter(chunks), "")[1]:
        digest.update(plain)
    return digest.digest()

"""Equality of a replica's bytes with its source's, judged by their heads alike for the copier and the comparison."""

import re

from replication_core.objects.states import Head

__all__ = ["same_bytes"]

_MD5 = re.compile(r'"?[0-9a-f]{32}"?')
_DIGEST_ENCRYPTIONS = {None, "AES256"}


def same_bytes(original: Head, replica: Head, recorded: str | None = None) -> bool | None:
    """Tell whether the bytes are the same, or are not; None where nothing that S3 tells proves either.

    They are by the same ETag or checksum; are not by another size, another checksum of the whole object or another
    MD5. An object copied in parts has another ETag than its source, and is compared by the checksum of the whole, which
    S3 keeps of every object since December 2024 unless its writer chose one of the parts
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html). Where there is none,
    `recorded` is the ETag that the replica had when it was made of the original's very version: it has its bytes as
    long as it has that ETag.
    """
    if original.size != replica.size:
        return False
    if original.etag == replica.etag:
        return True
    if original.checksum is not None and original.checksum_algorithm == replica.checksum_algorithm:
        if original.checksum == replica.checksum:
            return True
        if original.checksum_type == replica.checksum_type == "FULL_OBJECT":
            return False
    if _is_digest(original) and _is_digest(replica):
        return False
    return None if recorded is None else recorded == replica.etag


def _is_digest(head: Head) -> bool:
    """Tell whether the ETag is the MD5 of the bytes.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: of an object that was not put in parts, and is
    not encrypted or encrypted by keys that S3 manages.
    """
    return head.encryption in _DIGEST_ENCRYPTIONS and _MD5.fullmatch(head.etag) is not None

"""Keys of objects: which one an event means, since not everybody writes it alike, and which an answer can quote."""

import re
from contextlib import suppress
from urllib.parse import unquote, unquote_plus

__all__ = ["KEY_BYTES", "fits_xml", "readings"]

KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""https://www.w3.org/TR/xml/#charsets; S3 takes them in keys all the same."""


def fits_xml(key: str) -> bool:
    """Tell whether an answer that quotes this key can be parsed.

    Those to CreateMultipartUpload and CompleteMultipartUpload do, and have no other encoding to ask for. Those to
    CopyObject and PutObject don't (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, "XML
    related object key constraints").
    """
    return _NOT_IN_XML.search(key) is None


def readings(written: str) -> tuple[str, ...]:
    """Return the keys that this may be: as it is written, and decoded where that is another key.

    Nobody documents how S3's events and CloudTrail's records write a key: AWS has it as it is, LocalStack percent-
    encodes it, and others write a space as `+`, as S3's own notifications do. It is none where it is no key in any
    reading. What S3 has no object of, and refuses to look for, is no other key: `%2E%2E/x` is not `../x`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    found = [written]
    for decode in (unquote, unquote_plus):
        with suppress(UnicodeDecodeError):
            decoded = decode(written, errors="strict")
            found += [] if _climbs_out(decoded) else [decoded]
    return tuple(key for key in dict.fromkeys(found) if _is_key(key))


def _climbs_out(key: str) -> bool:
    """Tell whether more `..` than other segments begin a key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html: relative path elements
    """
    depth = 0
    for segment in key.split("/"):
        depth += {"..": -1, ".": 0}.get(segment, 1)
        if depth < 0:
            return True
    return False


def _is_key(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= KEY_BYTES
    except UnicodeEncodeError:
        return False

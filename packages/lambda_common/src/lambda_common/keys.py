"""What an object's key may hold that answers can't."""

import re

__all__ = ["fits_xml"]

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""https://www.w3.org/TR/xml/#charsets; S3 takes them in keys all the same."""


def fits_xml(key: str) -> bool:
    """Tell whether an answer that quotes this key can be parsed.

    Those to CreateMultipartUpload and CompleteMultipartUpload do, and have no other encoding to ask for. Those to
    CopyObject and PutObject don't (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, "XML
    related object key constraints").
    """
    return _NOT_IN_XML.search(key) is None

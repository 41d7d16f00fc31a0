"""What AWS asks of values that many types share: names, tags and policies. Each rule names the page it comes from."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "Rule",
    "at_most",
    "bucket_name",
    "json_size",
    "matches",
    "policy_size",
    "tags",
    "utf8_bytes_at_most",
]

Rule = Callable[[Any], str | None]
"""What AWS asks of a value: a sentence that says what is wrong with it, or None."""

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html (limits and requirements)
_MOST_TAGS = 50
_LONGEST_TAG_KEY = 128
_LONGEST_TAG_VALUE = 256
_TAG_SYMBOLS = frozenset("_.:/=+-@")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (general purpose buckets)
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_BUCKET_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES = ("-s3alias", "--ols-s3", ".mrap", "--x-s3", "--table-s3")


def matches(pattern: str, shortest: int, longest: int, what: str) -> Rule:
    """Return the rule that a text has so many characters and all of it matches the pattern, said as `what`."""
    compiled = re.compile(pattern)

    def rule(value: str) -> str | None:
        if not shortest <= len(value) <= longest:
            return f"{value!r} has {len(value)} characters: AWS takes {shortest} to {longest}"
        return None if compiled.fullmatch(value) else f"AWS does not take {value!r}: {what}"

    return rule


def at_most(most: int, what: str = "it", measure: Callable[[str], int] = len, unit: str = "characters") -> Rule:
    """Return the rule that a text has at most so many characters, or units of another measure."""

    def rule(value: str) -> str | None:
        size = measure(value)
        return f"{what} has {size} {unit}: AWS takes at most {most}" if size > most else None

    return rule


def utf8_bytes_at_most(most: int, what: str) -> Rule:
    """Return the rule that a text has at most so many bytes in UTF-8."""
    return at_most(most, what, lambda value: len(value.encode()), "bytes")


def policy_size(most: int, what: str) -> Rule:
    """Return the rule that a policy has at most so many characters, white space between its tokens not counted."""
    return at_most(most, what, lambda value: json_size(json.loads(value)))


def json_size(document: Any) -> int:
    """Return how many characters the document has as JSON without white space between its tokens."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))


def bucket_name(value: str) -> str | None:
    """Say what is wrong with the bucket's name."""
    if not _BUCKET_NAME.fullmatch(value):
        return (
            f"{value!r} is not 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at each end"
        )
    if ".." in value or _IP_ADDRESS.fullmatch(value):
        return f"{value!r} has adjacent dots or is formatted as an IP address"
    if value.startswith(_BUCKET_PREFIXES) or value.endswith(_BUCKET_SUFFIXES):
        return f"{value!r} has a beginning or an end that AWS keeps for itself"
    return None


def tags(value: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a resource's tags, the provider's default tags among them."""
    if len(value) > _MOST_TAGS:
        return f"{len(value)} tags: AWS takes at most {_MOST_TAGS}"
    return next((reason for key, text in value.items() if (reason := _tag(key, text))), None)


def _tag(key: str, text: str) -> str | None:
    if not 1 <= len(key) <= _LONGEST_TAG_KEY:
        return f"the tag key {key!r} has {len(key)} characters: AWS takes 1 to {_LONGEST_TAG_KEY}"
    if len(text) > _LONGEST_TAG_VALUE:
        return f"the tag {key!r} has a value of {len(text)} characters: AWS takes at most {_LONGEST_TAG_VALUE}"
    if key.lower().startswith("aws:"):
        return f"the tag key {key!r} begins with aws:, which AWS keeps for itself"
    if not all(letter.isalnum() or letter.isspace() or letter in _TAG_SYMBOLS for letter in key + text):
        return f"the tag {key!r} has a character other than letters, digits, spaces and _ . : / = + - @"
    return None

"""The committed policy, told again: what is to become of each record, checked by code that knows no masker.

A replica's key can't be computed from its source's without the route's key. So a record and its replica are paired by
what both keep: an item's timestamp, a file's name. Then every field is checked for what its rule promises: that it
is gone, or as it was, or of the promised form; and that within a target one value has one pseudonym, and one pseudonym
one value.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

from pipeline_ops.demo.stores import ObservedItem, ObservedObject
from replication_core.datasets import RecordKey

__all__ = ["Identity", "Record", "Restatement", "identity", "is_refused"]

Record: TypeAlias = tuple[RecordKey, ObservedObject | ObservedItem]
Identity: TypeAlias = tuple[str, ...]
"""What a record and its replica have in common, and no other record has."""

Fault: TypeAlias = tuple[str, str]
"""What differs, such as `bytes`, and how."""

Attribute: TypeAlias = Mapping[str, Any]
"""A value as DynamoDB's API has it, such as `{"N": "1"}`."""

_TOKEN = "[a-z2-7]{26}"  # noqa: S105 (the form of pseudonyms)
_CUSTOMER = "c_"

_OF_CUSTOMERS = re.compile(
    r"(?P<folder>incoming)/(?P<customer>[^/]+)/(?P<file>[^/]+\.(?:csv|jsonl\.gz))"
    r"|(?P<rejected>rejected/incoming)/(?P<of>[^/]+)/(?P<list>[^/]+\.jsonl)"
)
_OF_RUNS = re.compile(r"(?P<folder>results/[^/]+)/(?P<run>[^/]+)\.json")
_LATEST = "latest"
_ASSETS = "assets/"

_ASSETS_HEADERS = {"ContentType", "ContentEncoding", "CacheControl", "ContentLanguage", "ExpiresString"} | {
    "WebsiteRedirectLocation"
}
_ASSETS_METADATA = {"rows"}
_ASSETS_TAGS = {"class"}
_BODY_HEADERS = {"ContentType", "ContentEncoding"}

_SETS = {"SS", "NS", "BS"}
ENVIRONMENT = "environment"
"""The attribute that every replica has of its own."""


def identity(key: RecordKey, state: ObservedObject | ObservedItem | None) -> Identity:
    """Return what a record has in common with its replica; of one that is gone, what its key tells of that."""
    if not key.dataset.is_bucket:
        return key.dataset.name, key.values[-1]
    if found := _OF_CUSTOMERS.fullmatch(key.object_key):
        return key.dataset.name, found["folder"] or found["rejected"], found["file"] or found["list"]
    if (found := _OF_RUNS.fullmatch(key.object_key)) and found["run"] != _LATEST and isinstance(state, ObservedObject):
        return key.dataset.name, found["folder"], *_times(state)
    return key.dataset.name, key.object_key


def _times(state: ObservedObject) -> Iterator[str]:
    try:
        summary = json.loads(state.content or b"")
        yield from (str(summary[name]) for name in ("started_at", "finished_at", "size"))
    except (ValueError, KeyError, TypeError):
        return  # no summary: it is like no replica


def is_refused(record: Record) -> bool:
    """Tell whether the policy has no rule for a record, or for something of it."""
    key, state = record
    if not isinstance(state, ObservedObject):
        kept_text = state.get("state", {}).get("S", "")
        return not state.keys() <= _ITEM.keys() | {ENVIRONMENT} or "@" in kept_text
    if key.object_key.startswith(_ASSETS):
        return False
    fields = _fields_of(key.object_key)
    return fields is None or any(not row.keys() <= fields.keys() for row in _rows(key.object_key, state))


def _masked_part(key: RecordKey) -> tuple[str, str, str]:
    """Return the one part of a key that is masked, after its namespace and its pseudonyms' prefix."""
    if not key.dataset.is_bucket:
        return "customer", _CUSTOMER, key.values[0]
    if found := _OF_CUSTOMERS.fullmatch(key.object_key):
        return "customer", _CUSTOMER, found["customer"] or found["of"]
    if (found := _OF_RUNS.fullmatch(key.object_key)) and found["run"] != _LATEST:
        return "run", "", found["run"]
    return "", "", ""


class Restatement:
    """The policy over one target, and what it has shown of its pseudonyms so far."""

    def __init__(self) -> None:
        self._pseudonyms: dict[str, dict[Any, Any]] = {}
        self._values: dict[str, dict[Any, Any]] = {}

    @property
    def pseudonyms(self) -> set[str]:
        """Every token that was seen: no other target may have one of them."""
        return {each for name in self._values if not name.startswith("~") for each in self._values[name]}

    def same(self, namespace: str, value: Any, pseudonym: Any) -> bool:
        """Tell whether a value has the pseudonym that it had before, and no other value has it."""
        forward = self._pseudonyms.setdefault(namespace, {}).setdefault(value, pseudonym)
        backward = self._values.setdefault(namespace, {}).setdefault(pseudonym, value)
        return bool(forward == pseudonym and backward == value)

    def key_faults(self, original: RecordKey, replica: RecordKey) -> Iterator[Fault]:
        """Yield what is wrong with a replica's key."""
        namespace, prefix, value = _masked_part(original)
        *_, pseudonym = _masked_part(replica)
        if namespace and not self._is_token(namespace, prefix, value, pseudonym):
            yield "key", "its key is not made of the pseudonym of what it was made of"

    def item_faults(self, original: ObservedItem, replica: ObservedItem) -> Iterator[Fault]:
        """Yield what is wrong with an item, but for its key and for what was added to it."""
        yield from self._faults("attribute", _ITEM, original, replica)

    def object_faults(self, key: str, original: ObservedObject, replica: ObservedObject) -> Iterator[Fault]:
        """Yield what is wrong with an object, but for its key and for what was added to it."""
        fields = _fields_of(key)
        if fields is None:
            if (original.size, original.sha256) != (replica.size, replica.sha256):
                yield "bytes", f"its bytes ({replica.size}) are not those ({original.size}) of its source"
            kept = _ASSETS_HEADERS, _ASSETS_METADATA, _ASSETS_TAGS
        else:
            yield from self._body_faults(key, fields, original, replica)
            kept = _BODY_HEADERS, {"run"} if _OF_CUSTOMERS.fullmatch(key) else set(), set()
        for what, names, there, here in zip(
            ("header", "metadata", "tag"),
            kept,
            (original.headers, original.metadata, original.tags),
            (replica.headers, replica.metadata, replica.tags),
            strict=True,
        ):
            for name in sorted(there.keys() | here.keys()):
                value, masked = (there.get(name) if name in names else None), here.get(name)
                if name == "run" and value is not None and self._is_token("run", "", value, masked or ""):
                    continue
                if value != masked:
                    yield what, f"{what} {name!r} is not as the policy has it"

    def _body_faults(
        self, key: str, fields: "Fields", original: ObservedObject, replica: ObservedObject
    ) -> Iterator[Fault]:
        rows, masked = (list(_rows(key, state)) for state in (original, replica))
        if len(rows) != len(masked):
            yield "bytes", f"it has {len(masked)} records, and its source {len(rows)}"
        for number, pair in enumerate(zip(rows, masked, strict=False), start=1):
            names, masked_names = ([name for name in one if name in other] for one, other in (pair, pair[::-1]))
            if names != masked_names:
                yield "bytes", f"record {number}: its fields are in another order"
            for kind, detail in self._faults("field", fields, *pair):
                yield kind, f"record {number}: {detail}"

    def _faults(
        self, what: str, fields: "Fields", original: Mapping[str, Attribute], replica: Mapping[str, Attribute]
    ) -> Iterator[Fault]:
        for name in sorted(original.keys() | replica.keys()):
            check = fields.get(name)
            if check is None:
                yield what, f"{what} {name!r} has no rule, and stands in a replica"
            elif not check(self, original.get(name), replica.get(name)):
                yield what, f"{what} {name!r} is not as the policy has it"

    def _is_token(self, namespace: str, prefix: str, value: str, pseudonym: str) -> bool:
        is_token = re.fullmatch(prefix + _TOKEN, pseudonym) is not None
        return is_token and self.same(namespace, value, pseudonym)


# --- The rules, each for its promise

Check: TypeAlias = Callable[[Restatement, Attribute | None, Attribute | None], bool]
Fields: TypeAlias = Mapping[str, Check]


def _kept(_: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
    return bool(_unordered(value) == _unordered(masked))


def _dropped(_: Restatement, _value: Attribute | None, masked: Attribute | None) -> bool:
    return masked is None


def _text(promise: Callable[[Restatement, str, str], bool]) -> Check:
    """Return the check of a rule on texts, which keeps null."""

    def check(seen: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
        match value, masked:
            case {"S": str(text)}, {"S": str(mask)}:
                return promise(seen, text, mask)
        return value == masked and (value is None or value == {"NULL": True})

    return check


def _token(namespace: str, prefix: str = "") -> Check:
    return _text(lambda seen, text, mask: seen._is_token(namespace, prefix, text, mask))  # noqa: SLF001


def _is_mail(seen: Restatement, text: str, mask: str) -> bool:
    return re.fullmatch(_TOKEN + "@masked[.]invalid", mask) is not None and seen.same("mail", text, mask)


def _is_another(_: Restatement, text: str, mask: str) -> bool:
    return bool(mask) and not set(text.split()) & set(mask.split())


def _has_other_digits(_: Restatement, text: str, mask: str) -> bool:
    shape = re.sub("[0-9]", "0", text) == re.sub("[0-9]", "0", mask)
    return shape and text != mask and text[-3:] == mask[-3:]


def _is_the_year(_: Restatement, text: str, mask: str) -> bool:
    return mask == f"{text[:4]}-01-01"


def _has_the_last_four(_: Restatement, text: str, mask: str) -> bool:
    return mask == "*" * (len(text) - 4) + text[-4:]


def _is_removed(_: Restatement, __: str, mask: str) -> bool:
    return mask == "[removed]"


def _has_removals(_: Restatement, text: str, mask: str) -> bool:
    """Tell whether what stands between the removals stood in the text, in this order, and less than all of it."""
    pattern = ".+".join(map(re.escape, mask.split("[removed]")))
    return "[removed]" in mask and re.fullmatch(pattern, text) is not None and "@" not in mask


def _is_shifted(seen: Restatement, text: str, mask: str) -> bool:
    days = (date.fromisoformat(mask[:10]) - date.fromisoformat(text[:10])).days
    return days != 0 and mask[10:] == text[10:] and seen.same("~visits", "offset", days)


def _binary(seen: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
    match value, masked:
        case {"B": bytes(data)}, {"B": bytes(mask)}:
            return len(mask) == 16 and seen.same("~signature", data, mask)  # noqa: PLR2004 (128 bits)
        case {"BS": list(data)}, {"BS": list(mask)}:
            return len(set(data)) == len(mask) and all(len(each) == 16 for each in mask)  # noqa: PLR2004
    return value is None and masked is None


def _emptied(_: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
    """Check a map of which all names are dropped."""
    return masked is None or (value is not None and masked == {"M": {}})


def _contacts(seen: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
    fields: Fields = {"name": _text(_is_another), "email": _text(_is_mail)}
    match value, masked:
        case {"L": list(entries)}, {"L": list(masks)} if len(entries) == len(masks):
            pairs = zip(entries, masks, strict=True)
            return not any(list(seen._faults("", fields, one["M"], other["M"])) for one, other in pairs)  # noqa: SLF001
    return value is None and masked is None


def _scores(seen: Restatement, value: Attribute | None, masked: Attribute | None) -> bool:
    match value, masked:
        case {"M": dict(scores)}, {"M": dict(masks)} if len(scores) == len(masks):
            points = {score["N"]: name for name, score in scores.items()}
            return all(
                score["N"] in points and seen._is_token("customer", _CUSTOMER, points[score["N"]], name)  # noqa: SLF001
                for name, score in masks.items()
            )
    return value is None and masked is None


def _unordered(value: Any) -> Any:
    """Return a value with every set in it, which has no order, as one."""
    if isinstance(value, list):
        return [_unordered(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: set(inner) if name in _SETS and isinstance(inner, list) else _unordered(inner)
        for name, inner in value.items()
    }


_PERSON: Fields = {
    "id": _token("customer", _CUSTOMER),
    "timestamp": _kept,
    "customer": _token("customer", _CUSTOMER),
    "name": _text(_is_another),
    "email": _text(_is_mail),
    "phone": _text(_has_other_digits),
    "born": _text(_is_the_year),
    "amount": _kept,
    "quantity": _kept,
    "address": _emptied,
}

_ITEM: Fields = {
    **_PERSON,
    "card": _text(_has_the_last_four),
    "iban": _dropped,
    "contacts": _contacts,
    "scores": _scores,
    "signature": _binary,
    "signatures": _binary,
    "visited": _text(_is_shifted),
    "message": _text(_has_removals),
    "note": _text(_is_removed),
    **dict.fromkeys(("state", "labels", "readings", "settings"), _kept),
}

_REJECTED: Fields = dict.fromkeys(("line", "record", "reason"), _kept)

_RUN: Fields = {
    **dict.fromkeys(("schema", "environment", "status", "size", "last_modified", "format", "read", "valid"), _kept),
    **dict.fromkeys(("rejected", "written", "kept", "first_timestamp", "last_timestamp", "superseded"), _kept),
    **dict.fromkeys(("started_at", "finished_at", "duration_ms", "invocations"), _kept),
    **dict.fromkeys(("reason", "key", "version", "rejected_key"), _text(_is_removed)),
    "run": _token("run"),
}


def _fields_of(key: str) -> Fields | None:
    """Return the fields of the records of an object, None where it has none or no rule knows it."""
    if found := _OF_CUSTOMERS.fullmatch(key):
        return _REJECTED if found["rejected"] else _PERSON
    return _RUN if _OF_RUNS.fullmatch(key) else None


def _rows(key: str, state: ObservedObject) -> Iterator[Mapping[str, Attribute]]:
    content = state.content or b""
    if key.endswith(".gz"):
        content = gzip.decompress(content)
    if key.endswith(".csv"):
        for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
            yield {str(name): {"S": cell} for name, cell in row.items() if cell}
        return
    for line in content.splitlines():
        record = json.loads(line, parse_float=_Number, parse_int=_Number)
        yield {name: _attribute(value) for name, value in record.items()}


class _Number(str):
    """A number of JSON as it is spelled."""

    __slots__ = ()


def _attribute(value: Any) -> Attribute:
    match value:
        case None:
            return {"NULL": True}
        case _Number():
            return {"N": str(value)}
        case dict():
            return {"M": {name: _attribute(inner) for name, inner in value.items()}}
        case list():
            return {"L": [_attribute(inner) for inner in value]}
        case bool():
            return {"BOOL": value}
    return {"S": value}

"""A route's mask: what its policy and its key make of keys, items and objects. Pure."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from record_files.splitting import Format
from replication_core.datasets import Dataset, KeyType, RecordKey
from replication_core.items.sizes import ITEM_BYTES, size_of
from replication_core.items.states import Item
from replication_core.masking.attributes import Attribute, AttributeMasks
from replication_core.masking.bodies import BodyPosition, MaskedBody
from replication_core.masking.conditions import Holds, all_hold, value_at
from replication_core.masking.marks import Doubt, Marks
from replication_core.masking.paths import Node, Path, Placed, path_text
from replication_core.masking.policy import (
    DROP,
    KEPT_HEADERS,
    OTHERS,
    MaskingPolicy,
    ObjectRule,
    OpaqueBody,
    PathRule,
    RecordsBody,
    Rule,
    Sample,
    TableRules,
    rule_trie,
)
from replication_core.masking.pseudonyms import Pseudonyms, token
from replication_core.masking.records import RecordMask, Travels
from replication_core.masking.refusals import Unclassified
from replication_core.masking.rules import RULES, Masker, exact_number
from replication_core.object_keys import KEY_BYTES
from replication_core.objects.states import Tags
from replication_core.replicas import (
    ADDED_ATTRIBUTES,
    ADDED_METADATA,
    PROVENANCE_ENVIRONMENT,
    PROVENANCE_POLICY,
    REPLICA_TAG,
    REPLICATED_FROM,
    REPLICATED_POLICY,
)

__all__ = ["Mask", "ObjectMask"]

_PROVENANCE_BYTES = 256
"""What the replicator adds to an item at most: four names, two environments, a time and a mark."""

_MEDIA_TYPE = re.compile(r'[^;]*(?:;\s*(?:charset|header)\s*=\s*"?[\w.:-]*"?\s*(?=;|\Z))*', re.ASCII | re.IGNORECASE)
"""A Content-Type with what it tells of a text, and without more: https://www.rfc-editor.org/rfc/rfc2183 has a file's
name told with the disposition, but many tell it as the type's parameter `name`."""

_TAG_VALUE = re.compile(r"[\w\s+=.:/@-]{0,256}")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""


class Mask:
    """What a route makes of its source's records."""

    def __init__(self, policy: MaskingPolicy, pseudonyms: Pseudonyms) -> None:
        self.policy = policy
        self._pseudonyms = pseudonyms
        self._marks = Marks(pseudonyms)
        masks = AttributeMasks(pseudonyms, drops_unknown=policy.unclassified == DROP)
        sampled = _Sampled(policy.sample, pseudonyms) if policy.sample else None
        self._tables = {name: _TableMask(table, masks, sampled) for name, table in policy.tables.items()}
        self._buckets = {name: _BucketMask(name, policy, masks, sampled) for name in policy.buckets}

    def key(self, key: RecordKey) -> RecordKey:
        """Return the key of a record's replica, of the record's key alone; no two records have the same.

        Raises Unclassified.
        """
        if key.dataset.is_bucket:
            return RecordKey(key.dataset, (self._bucket(key.dataset).object(key.object_key).key,))
        return self._table(key.dataset).key(key)

    def item(self, item: Item, dataset: Dataset) -> Item | None:
        """Return an item's replica but for its provenance, None where it does not travel; raises Unclassified."""
        return self._table(dataset).item(item)

    def object(self, key: str, dataset: Dataset) -> "ObjectMask":
        """Return what becomes of an object; raises Unclassified where the policy knows no such key."""
        return self._bucket(dataset).object(key)

    def mark(self, place: RecordKey) -> str:
        """Return what a replica of this key of the target's tells of the policy.

        A masked key has the same rule as the one that it was made of. Without a rule for a key it is one that no
        replica has.
        """
        return self._marks.made(self._fingerprint(place), place)

    def item_doubt(self, replica: Item, dataset: Dataset) -> Doubt | None:
        """Return why a replica, or what of it marks it, is not known to be of the policy; None where it is."""
        told = {name: replica.get(name, {}).get("S") for name in (REPLICATED_POLICY, REPLICATED_FROM)}
        return self._doubt(dataset.of_item(replica), told[REPLICATED_POLICY], told[REPLICATED_FROM])

    def object_doubt(self, place: RecordKey, metadata: Mapping[str, str]) -> Doubt | None:
        """Return why a replica of this key with this metadata is not known to be of the policy; None where it is."""
        return self._doubt(place, metadata.get(PROVENANCE_POLICY), metadata.get(PROVENANCE_ENVIRONMENT))

    def _doubt(self, place: RecordKey, mark: str | None, source: str | None) -> Doubt | None:
        if not mark:
            return Doubt.UNMASKED if source else Doubt.UNMARKED
        return self._marks.doubt(mark, self._fingerprint(place), place)

    def _fingerprint(self, place: RecordKey) -> str:
        """Return the fingerprint of the rules of a replica's key; empty where there are none."""
        name = place.dataset.name
        if not place.dataset.is_bucket:
            return self.policy.fingerprint(name) if name in self._tables else ""
        return self._buckets[name].fingerprint(place.object_key) if name in self._buckets else ""

    def version(self, etag: str) -> str:
        """Return what tells of a source's version by its ETag, which by itself is a hash of the bytes."""
        return token(self._pseudonyms.digest("~version", "S", etag))

    def seal(self, text: str) -> str:
        """Return a code of a text that nobody can make without the route's key."""
        return token(self._pseudonyms.digest("~seal", "S", text))

    def _table(self, dataset: Dataset) -> "_TableMask":
        table = _known(self._tables, dataset)
        if table.key_names != set(dataset.attribute_names):
            raise Unclassified("the policy has rules for another key")
        return table

    def _bucket(self, dataset: Dataset) -> "_BucketMask":
        return _known(self._buckets, dataset)


T = TypeVar("T")


def _known(masks: Mapping[str, T], dataset: Dataset) -> T:
    if dataset.name not in masks:
        raise Unclassified(f"the policy has no rules for the {dataset.kind} {dataset.name}")
    return masks[dataset.name]


class _Sampled:
    """Tells by a value of the sample's namespace whether its records travel."""

    def __init__(self, sample: Sample, pseudonyms: Pseudonyms) -> None:
        self._sample = sample
        self._digest = pseudonyms.namespace(sample.namespace)

    def __call__(self, type_: str, value: Any) -> bool:
        told = exact_number(value) if type_ == "N" else value
        return int.from_bytes(self._digest(type_, told), "big") % 100 < self._sample.percent

    def decides(self, placed: Placed[Rule]) -> bool:
        """Tell whether a record has one value at a path, and it is of the namespace."""
        return self.is_of(placed.rule) and all(isinstance(step, str) for step in placed.path)

    def among(self, rules: Iterable[PathRule]) -> dict[str, Travels]:
        """Return itself by the path whose values decide about a record, if one's do."""
        return {each.path: self for each in islice((rule for rule in rules if self.decides(rule.placed())), 1)}

    def is_of(self, rule: Rule | None) -> bool:
        """Tell whether a rule makes pseudonyms in the namespace."""
        return (
            rule is not None and RULES[rule.kind].injective and rule.settings.get("namespace") == self._sample.namespace
        )

    def holds(self, path: Path) -> Holds:
        """Return what tells by the value at a path; a record that has none travels."""

        def holds(attributes: Mapping[str, Attribute]) -> bool:
            found = value_at(attributes, path) or {}
            return all(self(type_, value) for type_, value in found.items() if type_ in {"S", "N", "B"})

        return holds


class _TableMask:
    """What becomes of a table's items."""

    def __init__(self, table: TableRules, masks: AttributeMasks, sampled: _Sampled | None) -> None:
        placed = table.placed()
        root = rule_trie(table.attributes, table.key)
        root.names |= {name: Node(Rule(DROP)) for name in ADDED_ATTRIBUTES if name not in table.key}
        self._attributes = masks.attributes(root)
        self._key = {name: masks.masker(rule, path_text((name,))) for name, rule in table.key.items()}
        self.key_names = self._key.keys()
        self._conditions = [all_hold(table.where)] if table.where else []
        if sampled and (path := next((each.path for each in placed if sampled.decides(each)), None)):
            self._conditions.append(sampled.holds(path))

    def key(self, key: RecordKey) -> RecordKey:
        named = zip(key.dataset.key, key.values, strict=True)
        return RecordKey(
            key.dataset, tuple([_masked_text(self._key[one.name], one.type, value) for one, value in named])
        )

    def item(self, item: Item) -> Item | None:
        if not all(holds(item) for holds in self._conditions):
            return None
        masked = self._attributes(item)
        if size_of(masked) + _PROVENANCE_BYTES > ITEM_BYTES:
            raise Unclassified(f"is masked to more than {ITEM_BYTES // 1024} KB, which no item has")
        return masked


def _masked_text(mask: Masker, type_: KeyType, value: str) -> str:
    if type_ is not KeyType.BINARY:
        masked: str = mask(type_.value, value)
        return masked
    return base64.b64encode(mask("B", base64.b64decode(value))).decode()


class _ObjectMasks:
    """What one rule of a bucket makes of its objects."""

    def __init__(self, rule: ObjectRule, fingerprint: str, masks: AttributeMasks, sampled: _Sampled | None) -> None:
        self.rule = rule
        self.fingerprint = fingerprint
        self.key = [
            masks.masker(rule.key[name] if name else Rule("keep", line=rule.line), name or rule.match)
            for name in rule.pattern.wildcards
        ]
        """What masks the texts that each wildcard stands for."""

        self.unsure = list(rule.unsure())
        """Which wildcards keep what may be of a masked one's value, and the text by which that is told."""

        self.headers = _texts(masks, "headers", {**dict.fromkeys(KEPT_HEADERS, Rule("keep")), **rule.headers})
        self.metadata = _texts(masks, "metadata", {**rule.metadata, **_left_out(*ADDED_METADATA)})
        self.tags = _texts(masks, "tags", {**rule.tags, **_left_out(REPLICA_TAG)})
        names = [name for name in rule.pattern.wildcards if name and sampled and sampled.is_of(rule.key[name])]
        self.sampled_by = rule.pattern.wildcards.index(names[0]) if names else None
        """Which wildcard stands for what decides whether the object travels."""

        self.records: RecordMask | None = None
        if isinstance(rule.body, RecordsBody):
            by_record = sampled.among(rule.body.fields) if sampled and not names else {}
            self.records = RecordMask(rule.body.fields, masks, by_record)


def _left_out(*names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, Rule(DROP))


_TextsMask = Callable[[Mapping[str, str]], dict[str, str]]


def _texts(masks: AttributeMasks, what: str, rules: Mapping[str, Rule]) -> _TextsMask:
    """Return what masks texts by their names."""
    names = {name: Node(rule) for name, rule in rules.items() if name != OTHERS}
    others = Node(rules[OTHERS]) if OTHERS in rules else None
    mask = masks.attributes(Node(names=names, other=others), (what,))

    def masked(texts: Mapping[str, str]) -> dict[str, str]:
        return {name: made["S"] for name, made in mask({name: {"S": text} for name, text in texts.items()}).items()}

    return masked


class _BucketMask:
    """What becomes of a bucket's objects."""

    def __init__(self, name: str, policy: MaskingPolicy, masks: AttributeMasks, sampled: _Sampled | None) -> None:
        bucket = policy.buckets[name]
        self._patterns = bucket.patterns
        self._masks = [_ObjectMasks(rule, policy.fingerprint(name, rule), masks, sampled) for rule in bucket.rules]
        self._sampled = sampled
        self._travels = all_hold(bucket.tags)

    def fingerprint(self, key: str) -> str:
        """Return the fingerprint of the rule that a key has; empty where it has none."""
        found = self._patterns.match(key)
        return self._masks[found.place].fingerprint if found else ""

    def object(self, key: str) -> "ObjectMask":
        """Return what becomes of the object of a key."""
        found = self._patterns.match(key)
        if found is None:
            raise Unclassified("no rule is for its key")
        masks = self._masks[found.place]
        if any(ends in found.values[place] for place, ends in masks.unsure):
            raise _refused_key("can be read in two ways, and one would keep a part of what is masked", masks.rule)
        values = tuple([mask("S", value) for mask, value in zip(masks.key, found.values, strict=True)])
        masked = masks.rule.pattern.fill(values)
        if len(masked.encode()) > KEY_BYTES:
            raise _refused_key(f"is masked to more than {KEY_BYTES} bytes", masks.rule)
        if self._patterns.match(masked) != (found.place, values):
            raise _refused_key("is masked to one that the rule would not be for, or would read otherwise", masks.rule)
        in_sample = (
            self._sampled is None or masks.sampled_by is None or self._sampled("S", found.values[masks.sampled_by])
        )
        return ObjectMask(masked, masks, self._travels, is_sampled=in_sample)


def _refused_key(why: str, rule: ObjectRule) -> Unclassified:
    return Unclassified(f"a key {why}", path=rule.match, policy_line=rule.line)


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """What becomes of one object."""

    key: str
    """Its replica's key."""

    _masks: _ObjectMasks
    _travels: Holds
    is_sampled: bool = True
    """Whether the object is in the sample, or none is taken by its key."""

    @property
    def rule(self) -> ObjectRule:
        """The policy's rule for it."""
        return self._masks.rule

    @property
    def is_opaque(self) -> bool:
        """Whether its bytes travel as they are."""
        return isinstance(self.rule.body, OpaqueBody)

    def wants(self, tags: Tags) -> bool:
        """Tell whether an object with these tags travels."""
        return self.is_sampled and self._travels({name: {"S": value} for name, value in tags})

    def body(self, at: BodyPosition | None = None, *, content_encoding: str = "") -> MaskedBody:
        """Return what masks its bytes, from the first one or from a position on; none of an object that is opaque."""
        body, records = self.rule.body, self._masks.records
        if isinstance(body, OpaqueBody) or records is None:
            raise TypeError("an opaque body is not masked")
        return MaskedBody(Format(body.format), records, at, content_encoding=content_encoding)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the replica's headers, by the SDK's names for them; raises Unclassified."""
        return {
            name: value if name != "ContentType" else _MEDIA_TYPE.match(value)[0]  # type: ignore[index] # it matches all
            for name, value in self._masks.headers(headers).items()
        }

    def metadata(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return the replica's metadata but for its provenance; raises Unclassified."""
        return self._masks.metadata(metadata)

    def tags(self, tags: Tags) -> Tags:
        """Return the replica's tags; raises Unclassified, also where a masked one is none that S3 takes."""
        masked = self._masks.tags(dict(tags))
        if not all(map(_TAG_VALUE.fullmatch, masked.values())):
            raise Unclassified("a tag is masked to what no tag may be", path="tags", policy_line=self.rule.line)
        return tuple(sorted(masked.items()))

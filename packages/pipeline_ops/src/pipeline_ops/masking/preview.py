"""The preview of a replica: what a policy would make of one record of production, without a value of it.

Of what is kept, the type and the length are told; of what is masked, what it becomes.
"""

import base64
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial
from typing import Any

from pipeline_ops.masking.first_records import UnreadableFileError, first_records
from pipeline_ops.masking.leaves import Leaf, leaves, size_of
from pipeline_ops.routes.route import SourceRoutes, explained
from record_files.splitting import Format
from replication_core.aws.errors import StoreError
from replication_core.aws.route_key import RouteKey
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey
from replication_core.items.dynamodb import read_items
from replication_core.items.states import ItemState
from replication_core.masking.attributes import AttributeMasks
from replication_core.masking.mask import Mask, ObjectMask
from replication_core.masking.policy import (
    DROP,
    KEEP,
    KEPT_HEADERS,
    OTHERS,
    MaskingPolicy,
    RecordsBody,
    Rule,
    rule_trie,
)
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.masking.records import TEXTS
from replication_core.masking.refusals import Unclassified
from replication_core.objects.heads import Absent, read_head, read_tags
from replication_core.objects.states import Head
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["Becomes", "Preview", "Previewer", "Treatment"]

_ROOT_BYTES = 32


class Treatment(StrEnum):
    """What is done with a value."""

    KEPT = "kept"
    MASKED = "masked"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Becomes:
    """What becomes of one value."""

    place: str
    rule: str
    """The kind of its rule; empty where none is for it."""

    line: int
    """The rule's, in the policy's file."""

    outcome: Treatment
    becomes: str
    """The masked value; of what is kept its type and length, and of what is refused why."""

    def __str__(self) -> str:
        match self.outcome:
            case Treatment.MASKED:
                return self.becomes
            case Treatment.DROPPED:
                return self.outcome.value
            case Treatment.KEPT:
                return f"{self.outcome} ({self.becomes})"
            case Treatment.REFUSED:
                return f"{self.outcome}: {self.becomes}"


@dataclass(kw_only=True)
class Preview:
    """What a record's replica would be."""

    dataset: str
    key: str = ""
    """The replica's; empty where there would be none."""

    verdict: str
    """A sentence."""

    refused: bool = False
    travels: bool = True
    values: list[Becomes] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Previewer:
    """Previews by one policy and one key."""

    sides: Sides
    policy: MaskingPolicy
    root: bytes = field(repr=False)
    """What the pseudonyms are derived from."""

    is_own_key: bool
    """Whether the pseudonyms are those that the route makes; else they are this run's alone."""

    @classmethod
    def of(cls, replication: SourceRoutes, sides: Sides, policy: MaskingPolicy) -> "Previewer":
        """Take the route's own key, or where it has none yet, one that is thrown away.

        Raises OperatorError where KMS does not let it be used.
        """
        spec: RouteSpec = sides.route
        root = secrets.token_bytes(_ROOT_BYTES)
        if spec.mask_key_arn:
            key = RouteKey(kms=replication.client("kms", region=spec.source_region), arn=spec.mask_key_arn)
            with explained(f"The key of the route to {spec.target} can't be used"):
                root = key.root()
        return cls(sides=sides, policy=policy, root=root, is_own_key=bool(spec.mask_key_arn))

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """What makes the pseudonyms."""
        return Pseudonyms(self.root, self.policy.generation)

    @cached_property
    def mask(self) -> Mask:
        """What the route would mask by."""
        return Mask(self.policy, self.pseudonyms)

    def preview(self, routed: RoutedDataset, key: RecordKey) -> Preview:
        """Return what the replica of a dataset's record would be; raises OperatorError where that can't be read."""
        (found,) = self.previews(routed, [key])
        return found

    def previews(self, routed: RoutedDataset, keys: Collection[RecordKey]) -> list[Preview]:
        """Return likewise what the replicas of some of a dataset's records would be; items are read in one call."""
        with explained(f"The {routed.dataset.kind.record} can't be read"):
            if routed.dataset.is_bucket:
                return [self._object(routed, key) for key in keys]
            found = read_items(self.sides.source_dynamodb, routed.source, routed.dataset, keys)
            return [self._item(key, read) for key, read in found.items()]

    def _item(self, key: RecordKey, read: ItemState | StoreError | None) -> Preview:
        if isinstance(read, StoreError):
            raise read
        if read is None:
            return self._without_source(key)
        table = self.policy.tables.get(key.dataset.name)
        values = list(self._become(leaves(read.item, rule_trie(table.attributes, table.key)))) if table else []
        return self._judged(key, values, partial(self.mask.item, read.item, key.dataset))

    def _object(self, routed: RoutedDataset, key: RecordKey) -> Preview:
        head = read_head(self.sides.source_s3, routed.source, key.object_key)
        if isinstance(head, Absent):
            return self._without_source(key)
        if head.archived:
            archived = "would not travel: it is archived, and not restored"
            return Preview(dataset=key.dataset.name, verdict=archived, travels=False)
        tags = read_tags(self.sides.source_s3, routed.source, key.object_key, head.version_id)
        own_tags = tags.tags if tags else ()
        try:
            made = self.mask.object(key.object_key, key.dataset)
        except Unclassified as error:
            return Preview(dataset=key.dataset.name, verdict=f"refused: {error.message}", refused=True)
        values = [
            *self._texts("headers", head.headers, dict.fromkeys(KEPT_HEADERS, Rule(KEEP)), made),
            *self._texts("metadata", head.metadata, {}, made),
            *self._texts("tags", own_tags, {}, made),
            *self._body(routed.source, key.object_key, head, made),
        ]

        def travels() -> bool | None:
            made.headers(dict(head.headers))
            made.metadata(dict(head.metadata))
            return (made.wants(own_tags) and made.tags(own_tags) is not None) or None

        return self._judged(key, values, travels)

    def _without_source(self, key: RecordKey) -> Preview:
        verdict = f"production has no such {key.dataset.kind.record}: a replica of it would be deleted"
        return Preview(dataset=key.dataset.name, verdict=verdict, travels=False)

    def _judged(self, key: RecordKey, values: list[Becomes], travels: Any) -> Preview:
        told = Preview(dataset=key.dataset.name, verdict="would be replicated so", values=values)
        try:
            told.key = str(self.mask.key(key))
            if travels() is None:
                told.travels = False
                told.verdict = "would not travel: the policy's conditions, or its sample, leave it out"
        except Unclassified as error:
            told.verdict, told.refused = f"refused: {error.message}", True
        else:
            if refusal := next((each for each in values if each.outcome is Treatment.REFUSED), None):
                told.verdict, told.refused = f"refused: {refusal.place}: {refusal.becomes}", True
        return told

    def _become(self, found: Iterable[Leaf], before: str = "") -> Iterator[Becomes]:
        masks = AttributeMasks(self.pseudonyms, drops_unknown=self.policy.unclassified == DROP)
        for leaf in found:
            outcome, becomes = self._made(leaf, masks)
            rule = leaf.rule
            yield Becomes(
                place=before + leaf.path,
                rule=rule.kind if rule else "",
                line=rule.line if rule else 0,
                outcome=outcome,
                becomes=becomes,
            )

    def _made(self, leaf: Leaf, masks: AttributeMasks) -> tuple[Treatment, str]:
        if leaf.rule is None:
            return (Treatment.DROPPED, "") if masks.drops_unknown else (Treatment.REFUSED, "no rule is for it")
        if leaf.rule.kind == DROP:
            return Treatment.DROPPED, ""
        try:
            type_, value = _read_as(leaf)
            made = masks.masker(leaf.rule, leaf.path)(type_, value)
        except Unclassified as error:
            return Treatment.REFUSED, error.why
        if leaf.rule.kind == "keep" or leaf.type == "NULL":
            return Treatment.KEPT, size_of(leaf.type, leaf.value)
        return Treatment.MASKED, json.dumps(made, ensure_ascii=False, default=_in_base64)

    def _texts(
        self, what: str, texts: Iterable[tuple[str, str]], kept: Mapping[str, Rule], made: ObjectMask
    ) -> Iterator[Becomes]:
        rules: Mapping[str, Rule] = {**kept, **getattr(made.rule, what)}
        found = (
            Leaf(f"{what}.{name if name in rules else OTHERS}", "S", text, rules.get(name, rules.get(OTHERS)))
            for name, text in texts
        )
        return self._become(found)

    def _body(self, bucket: str, key: str, head: Head, made: ObjectMask) -> Iterator[Becomes]:
        body = made.rule.body
        if not isinstance(body, RecordsBody):
            size = f"as it is, {head.size:,} bytes"
            yield Becomes(place="body", rule="opaque", line=made.rule.line, outcome=Treatment.KEPT, becomes=size)
            return
        if not head.size:
            return
        version = head.version_id if head.pinned else None
        try:
            _, records = first_records(self.sides.source_s3, bucket, key, version, most=1, format_=Format(body.format))
        except UnreadableFileError as error:
            refused = Treatment.REFUSED
            yield Becomes(place="body", rule="", line=made.rule.line, outcome=refused, becomes=str(error))
            return
        for record in records:
            yield from self._become(leaves(record, rule_trie(body.fields)), "first record: ")


def _in_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _read_as(leaf: Leaf) -> tuple[str, Any]:
    """Return the type and the value that a text stands for, by its rule; raises Unclassified."""
    type_ = str(leaf.rule.settings.get("type", "")) if leaf.rule else ""
    if leaf.type != "S" or type_ not in TEXTS:
        return leaf.type, leaf.value
    with suppress(ValueError):
        return type_, TEXTS[type_].read(leaf.value)
    raise Unclassified(f"a text is no value of type {type_}")

"""Shadow of a policy: what a next one would make otherwise of a route's records than the live one does. Pure.

It is told in the words of the two policies and in numbers: never a value, nor a name that no rule says.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from replication_core.aws.errors import StoreError
from replication_core.datasets import RecordKey
from replication_core.desired import DesiredObject, desired_object
from replication_core.items.states import Item
from replication_core.masking.attributes import Attribute
from replication_core.masking.mask import Mask
from replication_core.masking.paths import Node, Path, Placed, Step, path_text, trie
from replication_core.masking.policy import (
    KEEP,
    KEPT_HEADERS,
    OTHERS,
    ObjectRule,
    OpaqueBody,
    RecordsBody,
    Rule,
    Sample,
    rule_trie,
)
from replication_core.masking.rules import RULES
from replication_core.objects.heads import EXPIRES
from replication_core.objects.provenance import own_tags
from replication_core.objects.states import ObjectState
from replication_core.replicas import ADDED_METADATA

__all__ = ["Impact", "Shadow", "ShadowChange", "ShadowCounts", "Shadowed", "State", "changed_rule", "impact_of"]

_KEPT = dict.fromkeys(KEPT_HEADERS, Rule(KEEP))
_CHANGE = ("dataset", "place", "now", "then")


class State(StrEnum):
    """What a policy makes of a record, without its values."""

    TRAVELS = "travels"
    LEFT_OUT = "does not travel"
    REFUSED = "refused"


class Impact(StrEnum):
    """What the next policy would change of a record's replica."""

    SAME = "same"
    DIFFERENT = "different"
    """Another value, at the same key."""

    MOVED = "moved"
    """Another key."""

    REFUSED = "refused"
    """By the next policy alone; so are the following."""

    LEFT_OUT = "left out"
    ADDED = "added"
    FAILED = "not compared"
    """There was no time, or the next policy failed."""


@dataclass(frozen=True, slots=True)
class ShadowChange:
    """What becomes of the values at a place by the present policy, and by the next one."""

    dataset: str
    place: str
    """A path of the policies; empty for the record as a whole."""

    now: str
    then: str


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What the next policy would change of one record."""

    impact: Impact
    changes: frozenset[ShadowChange] = frozenset()

    @property
    def is_compared(self) -> bool:
        """Whether it was told."""
        return self.impact is not Impact.FAILED

    @property
    def is_change(self) -> bool:
        """Whether there would be another replica, or one more or less."""
        return self.impact not in {Impact.SAME, Impact.FAILED}

    @property
    def is_refusal(self) -> bool:
        """Whether the next policy alone refuses it."""
        return self.impact is Impact.REFUSED


@dataclass
class ShadowCounts:
    """What the next policy would change of many records."""

    impacts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many records there are of each impact, by dataset and impact."""

    changes: Counter[ShadowChange] = field(default_factory=Counter)
    """In how many records there is each change."""

    def add(self, dataset: str, found: Shadowed) -> None:
        """Count a record."""
        self.impacts[dataset, found.impact] += 1
        self.changes.update(found.changes)

    @property
    def records(self) -> Counter[str]:
        """How many there are, by dataset."""
        return self._sums(set())

    @property
    def changed(self) -> Counter[str]:
        """How many would have another replica, or one more or less."""
        return self._sums({Impact.SAME, Impact.FAILED})

    def _sums(self, but: set[str]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for (dataset, impact), count in self.impacts.items():
            sums[dataset] += count * (impact not in but)
        return sums

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document, which `add_document` reads."""
        changes = [
            {**{name: getattr(each, name) for name in _CHANGE}, "records": count}
            for each, count in self.changes.most_common()
        ]
        return {
            "records": self.records,
            "changed": self.changed,
            "found": {
                name: {impact: count for (dataset, impact), count in self.impacts.items() if dataset == name}
                for name in self.records
            },
            "verdicts": [each for each in changes if not each["place"]],
            "values": [each for each in changes if each["place"]],
        }

    def add_document(self, document: Any) -> None:
        """Count what such a document tells; raises ValueError, and counts nothing, for what is none."""
        try:
            impacts = {
                (str(dataset), Impact(impact).value): int(count)
                for dataset, found in document["found"].items()
                for impact, count in found.items()
            }
            changes = {
                ShadowChange(*(str(each[name]) for name in _CHANGE)): int(each["records"])
                for each in (*document["verdicts"], *document["values"])
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("it is no count of a shadow") from error
        self.impacts.update(impacts)
        self.changes.update(changes)


def impact_of(now: State, then: State, *, is_moved: bool, is_changed: bool) -> Impact:
    """Return the impact on a record that the two policies make this of."""
    if then is State.TRAVELS:
        if now is not then:
            return Impact.ADDED
        return Impact.MOVED if is_moved else Impact.DIFFERENT if is_changed else Impact.SAME
    if now is then:
        return Impact.SAME
    return Impact.REFUSED if then is State.REFUSED else Impact.LEFT_OUT


def changed_rule(dataset: str, place: str, now: str, then: str) -> ShadowChange:
    """Return the change of values by these rules, which may be of one kind."""
    return ShadowChange(dataset, place, now, f"{then} (others)" if now == then else then)


_Nodes = tuple[Node[Rule] | None, Node[Rule] | None]
"""A place in the one policy and in the other; None where no rule of it is for the place."""

_Difference = tuple[str, str, str]
"""A place, and what the two policies' rules for it are."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What one policy makes of a record."""

    state: State
    key: RecordKey | None = None
    values: Mapping[str, Attribute] = field(default_factory=dict)
    refusal: StoreError | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """Compares what two policies make of a record, by the same key of the route."""

    live: Mask
    then: Mask
    _places: dict[tuple[str, ...], _Nodes] = field(default_factory=dict)
    """The two policies' places, by what they are of: made when a replica is first different."""

    @property
    def _masks(self) -> tuple[Mask, Mask]:
        return self.live, self.then

    def item(self, key: RecordKey, item: Item) -> Shadowed:
        """Return what would change of an item's replica."""
        now, then = (_made(partial(_item, mask, key, item)) for mask in self._masks)
        tables = (mask.policy.tables.get(key.dataset.name) for mask in self._masks)
        nodes = (rule_trie(table.attributes, table.key) if table else Node[Rule]() for table in tables)
        return _compared(key.dataset.name, now, then, lambda: self._differences((key.dataset.name,), nodes, now, then))

    def object(self, key: RecordKey, state: ObjectState, *, bucket: str, environment: str) -> Shadowed:
        """Return what would change of an object's replica; of the records in its body by their rules alone."""

        def made(mask: Mask) -> _Made | None:
            desired = desired_object(state, bucket=bucket, key=key, environment=environment, mask=mask)
            if desired is None:
                return None
            return _Made(State.TRAVELS, RecordKey(key.dataset, (desired.key,)), _besides(desired))

        def differences() -> Iterator[_Difference]:
            rules = [mask.object(key.object_key, key.dataset).rule for mask in self._masks]
            if now.key != then.key:
                yield "key", rules[0].match, rules[1].match
            places = key.dataset.name, *(rule.match for rule in rules)
            yield from self._differences(places, map(_rules, rules), now, then)
            if state.head.size:
                yield from self._body(rules[0].body, rules[1].body)

        now, then = (_made(partial(made, mask)) for mask in self._masks)
        return _compared(key.dataset.name, now, then, differences)

    def _differences(
        self, of: tuple[str, ...], nodes: Iterable[Node[Rule]], now: _Made, then: _Made
    ) -> Iterator[_Difference]:
        """Yield where the two replicas are different, in the policies' words, and which rules are for that place."""
        if now.values != then.values:
            if of not in self._places:
                before, after = nodes
                self._places[of] = before, after
            yield from _within(self._places[of], now.values, then.values)

    def _body(self, now: OpaqueBody | RecordsBody, then: OpaqueBody | RecordsBody) -> Iterator[_Difference]:
        if isinstance(now, OpaqueBody) or isinstance(then, OpaqueBody) or now.format != then.format:
            if _format(now) != _format(then):
                yield "body", _format(now), _format(then)
            return
        before, after = _by_place(now), _by_place(then)
        is_rekeyed = self.live.policy.generation != self.then.policy.generation
        for place in before.keys() | after.keys():
            rules = before.get(place), after.get(place)
            if _bare(rules[0]) != _bare(rules[1]) or (is_rekeyed and rules[0] and RULES[rules[0].kind].is_keyed):
                yield f"body: {place}", _told(rules[0]), _told(rules[1])
        samples = [mask.policy.sample for mask in self._masks]
        if samples[0] != samples[1] and any(_decides(sample, rule) for sample in samples for rule in after.values()):
            yield "body: records", _share(samples[0]), _share(samples[1])


def _made(make: Callable[[], _Made | None]) -> _Made:
    try:
        return make() or _Made(State.LEFT_OUT)
    except StoreError as refusal:
        return _Made(State.REFUSED, refusal=refusal)


def _item(mask: Mask, key: RecordKey, item: Item) -> _Made | None:
    place, masked = mask.key(key), mask.item(item, key.dataset)
    return None if masked is None else _Made(State.TRAVELS, place, masked)


def _besides(desired: DesiredObject) -> Mapping[str, Attribute]:
    """Return what a replica has besides its body, but for its provenance, as attributes."""
    telling = desired.telling
    texts = {
        "headers": {"Expires" if name == EXPIRES else name: value for name, value in telling.headers.items()},
        "metadata": {name: value for name, value in telling.metadata.items() if name not in ADDED_METADATA},
        "tags": dict(own_tags(telling.tags)),
    }
    return {what: {"M": {name: {"S": value} for name, value in some.items()}} for what, some in texts.items()}


def _rules(rule: ObjectRule) -> Node[Rule]:
    """Return an object's rules at the places that `_besides` has."""
    return trie(
        Placed((what, Step.ANY if name == OTHERS else name), each)
        for what in ("headers", "metadata", "tags")
        for name, each in {**(_KEPT if what == "headers" else {}), **getattr(rule, what)}.items()
    )


def _by_place(body: RecordsBody) -> dict[str, Rule]:
    names = {f"{each.path} (a name)": each.names for each in body.fields if each.names}
    return names | {each.path: each.rule for each in body.fields if each.rule}


def _format(body: OpaqueBody | RecordsBody) -> str:
    return "opaque" if isinstance(body, OpaqueBody) else body.format


def _bare(rule: Rule | None) -> Any:
    return rule and rule.bare()


def _told(rule: Rule | None) -> str:
    return rule.kind if rule else "no rule"


def _decides(sample: Sample | None, rule: Rule) -> bool:
    return sample is not None and rule.settings.get("namespace") == sample.namespace


def _share(sample: Sample | None) -> str:
    return f"{sample.percent} %" if sample else "all"


def _compared(dataset: str, now: _Made, then: _Made, differences: Callable[[], Iterable[_Difference]]) -> Shadowed:
    changes: set[ShadowChange] = set()
    if now.state is not then.state:
        changes.add(ShadowChange(dataset, "", now.state, then.state))
    if then.refusal and now.state is not State.REFUSED:
        path, why = getattr(then.refusal, "path", ""), getattr(then.refusal, "why", then.refusal.kind)
        changes.add(ShadowChange(dataset, path or "the record", now.state, f"{State.REFUSED}: {why}"))
    if now.state is then.state is State.TRAVELS:
        changes |= {changed_rule(dataset, *each) for each in differences()}
    impact = impact_of(now.state, then.state, is_moved=now.key != then.key, is_changed=bool(changes))
    return Shadowed(impact, frozenset(changes))


def _within(
    nodes: _Nodes, now: Mapping[str, Attribute], then: Mapping[str, Attribute], path: Path = ()
) -> Iterator[_Difference]:
    for name in now.keys() | then.keys():
        if now.get(name) != then.get(name):
            known = [node for node in nodes if node]
            is_said = any(name in node.names for node in known)
            step = name if is_said else Step.NAMES if any(node.renames for node in known) else Step.ANY
            below = [node and node.names.get(name, node.other) for node in nodes]
            yield from _at((below[0], below[1]), now.get(name), then.get(name), (*path, step))


def _at(nodes: _Nodes, now: Attribute | None, then: Attribute | None, path: Path) -> Iterator[_Difference]:
    leads_on = any(node and (node.names or node.other or node.elements) for node in nodes)
    match now, then:
        case {"M": before}, {"M": after} if leads_on:
            yield from _within(nodes, before, after, path)
        case {"L": before}, {"L": after} if leads_on and len(before) == len(after):
            below = nodes[0] and nodes[0].elements, nodes[1] and nodes[1].elements
            for pair in zip(before, after, strict=True):
                if pair[0] != pair[1]:
                    yield from _at(below, *pair, (*path, Step.ELEMENTS))
        case _:
            yield path_text(path), _told_at(nodes[0]), _told_at(nodes[1])


def _told_at(node: Node[Rule] | None) -> str:
    return _told(node.rule if node else None)

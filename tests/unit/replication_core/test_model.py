"""Replicas end equal to their source, whatever happens on the way: the reconciler under random histories.

The subject is the real `reconcile` with the real stores; only the single calls to S3 and DynamoDB are played, the
latter's down to the requests that the SDK is given, so that keys of every type are spelled as they are there. A
history changes the source, repeats, reorders and delays notices, runs several reconcilers at the same time with any
interleaving of their calls, and lets any call be refused, time out after it took effect, or be the last one of its
process. As a queue does, it gives a notice out again until a reconcile of its key has succeeded.

Assumed, since no store gives a way to do without it: a call whose caller is gone takes effect by the time that its
notice is given out again, or never.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from replication_core.datasets import ITEMS, Dataset, KeyType, RecordKey
from replication_core.desired import desired_item
from replication_core.items.dynamodb import ItemStore
from replication_core.items.states import Item, ItemState
from replication_core.masking.refusals import Unclassified
from replication_core.objects.s3 import ObjectStore
from replication_core.objects.states import Head, ObjectState, Tags, TagsRead
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.reconcile import Action, Outcome, Reading, SourceMoved, Store, reconcile
from replication_core.route_spec import RoutedDataset
from tests.made_datasets import BLOBS, CUSTOMERS, ORDERS, TABLES
from tests.made_policies import item_policy, made_mask, policy
from tests.made_route import MadeRoute
from tests.unit.replication_core.interleaving import Actor, Fate, step

KEYS = ("a", "b")

ACCIDENTS = (
    Fate.IS_REFUSED,
    Fate.TAKES_EFFECT_BUT_TIMES_OUT,
    Fate.CRASHES_BEFORE,
    Fate.CRASHES_AFTER,
)

Tape = list[tuple[int, int]]
"""What happens, by numbers that `History` reads: which kind of thing, and which of its possibilities."""

HAPPENINGS = st.tuples(st.integers(0, 19), st.integers(0, 59))
TAPES: st.SearchStrategy[Tape] = st.lists(HAPPENINGS, max_size=60)
LONG_TAPES: st.SearchStrategy[Tape] = st.lists(HAPPENINGS, min_size=20, max_size=80)


class World(Protocol):
    """A source that changes, its replica, and the store between them."""

    @property
    def store(self) -> Store[Any, Any]:
        """The store of a reconciler that starts now."""

    def change(self, pick: int) -> Any:
        """Change the source, and return the key that it notifies of."""

    def is_level(self, given_up: Collection[Any]) -> bool:
        """Tell whether every replica is as its source asks, or may be, where the key was given up."""

    def activate(self) -> Collection[Any]:
        """Do what is done once nothing is under way any more, and return the keys to reconcile after it."""


@dataclass(frozen=True)
class Continuation:
    """A notice that asks to go on with what another invocation had no time for."""

    key: Any
    begun: UnfinishedCopy


def _key(notice: Any) -> Any:
    return notice.key if isinstance(notice, Continuation) else notice


@dataclass
class History:
    """A run of the world along a tape, and then to the end of all notices."""

    world: World
    notices: list[Any] = field(default_factory=list)
    actors: list[tuple[Actor[dict[Any, Outcome]], list[Any]]] = field(default_factory=list)
    given_up: set[Any] = field(default_factory=set)
    """The keys that no retry helps, each a dead letter."""

    def run(self, tape: Tape) -> bool:
        """Return whether the replicas are level once all is over."""
        for kind, pick in tape:
            self._happen(kind, pick)
        self._work_off()
        self.notices += self.world.activate()
        self._work_off()
        return self.world.is_level(self.given_up)

    def _work_off(self) -> None:
        for _ in range(1000):
            if not self.actors and not self.notices:
                return
            if self.notices:
                self._start(len(self.notices), 0)
            # The newest first, so that whoever has stood still since long ago writes last.
            self._advance(-1, Fate.GOES)
        raise AssertionError("the history does not come to an end")

    def _happen(self, kind: int, pick: int) -> None:
        if kind < 5:
            self.notices.append(self.world.change(pick))
        elif kind < 9 and self.notices:
            self._start(1 + pick % 2, pick)
        elif kind == 9 and self.notices:
            self.notices.append(self.notices[pick % len(self.notices)])
        elif kind < 18:
            self._advance(pick, Fate.GOES)
        else:
            self._advance(pick, ACCIDENTS[pick % len(ACCIDENTS)])

    def _start(self, count: int, pick: int) -> None:
        taken = [self.notices.pop(pick % len(self.notices)) for _ in range(min(count, len(self.notices)))]
        keys = list(dict.fromkeys(map(_key, taken)))
        store = self.world.store
        for each in taken:
            if isinstance(each, Continuation):
                assert isinstance(store, ObjectStore)
                store = store.going_on(each.key, each.begun)
        self.actors.append((Actor(lambda: reconcile(keys, store, rounds=3)), taken))

    def _advance(self, pick: int, fate: Fate) -> None:
        if not self.actors:
            return
        actor, taken = self.actors[pick % len(self.actors)]
        actor.advance(fate)
        if not actor.over:
            return
        self.actors.remove((actor, taken))
        outcomes = actor.result or {}
        given_up = {key for key, outcome in outcomes.items() if outcome.error and outcome.error.permanent}
        done = {key for key, outcome in outcomes.items() if outcome.action is not Action.FAILED}
        self.given_up |= given_up
        self.notices += [each for each in taken if _key(each) not in done | given_up]
        self.notices += [Continuation(key, each.unfinished) for key, each in outcomes.items() if each.unfinished]


@dataclass(frozen=True)
class Version:
    name: str | None
    body: str
    written: int
    metadata: tuple[tuple[str, str], ...]


class Copying(Enum):
    """How a replica is written."""

    IN_ONE_CALL = auto()
    TAGS_APART = auto()
    TAGS_ON_THE_VERSION_MADE = auto()
    """As in a target with versions, where tags that come late are another version's."""

    TAGS_ONLY_WHERE_THE_COPY_IS_THERE = auto()
    """As a large object's, and its tags apart, too."""


@dataclass
class Objects:
    """A bucket with or without versions, whose heads do or do not count tags, and its replica."""

    versioned: bool
    counts_tags: bool
    make: Callable[[Any], Store[Any, Any]]
    copying: Copying = Copying.IN_ONE_CALL
    versions: dict[str, list[Version | None]] = field(default_factory=lambda: {key: [] for key in KEYS})
    """Each key's versions, the current one last; None is a delete marker."""

    tagged: dict[Version, Tags] = field(default_factory=dict)
    replica: dict[str, tuple[str, Any, Tags]] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    """How many versions each key's replica has had."""

    clock: int = 0

    def __post_init__(self) -> None:
        self.store = self.make(self)

    def change(self, pick: int) -> str:
        key = KEYS[pick % len(KEYS)]
        self.clock += 1
        self._change(self.versions[key], pick // len(KEYS))
        return key

    def _change(self, versions: list[Version | None], pick: int) -> None:
        kind, variant = pick % 5, pick // 5 % 3
        top = versions[-1] if versions else None
        if kind <= 1:
            name = f"v{self.clock}" if self.versioned else None
            # Few bodies, so that one comes back as it was, within the same second or later.
            new = Version(name, f"body {variant}", self.clock // 4, (("n", str(variant)),))
            if not self.versioned:
                versions.clear()
            versions.append(new)
            self.tagged[new] = (("t", "new"),) if variant == 2 else ()
        elif kind == 2:
            if self.versioned:
                versions.append(None)
            else:
                versions.clear()
        elif kind == 3 and top is not None:
            self.tagged[top] = (("t", str(variant)),) if variant else ()
        elif kind == 4 and versions:
            # A delete marker removed, a current version purged, or an old one.
            versions.pop(0 if variant == 0 else -1)

    def current(self, key: str) -> Version | None:
        return self.versions[key][-1] if self.versions[key] else None

    def activate(self) -> Collection[str]:
        return ()

    def is_level(self, given_up: Collection[str]) -> bool:
        assert not given_up
        wanted = {
            key: (version.body, version.metadata, self.tagged[version])
            for key in KEYS
            if (version := self.current(key)) is not None
        }
        return self.replica == wanted

    def head(self, key: str) -> Head | None:
        return step(lambda: self._head(key))

    def _head(self, key: str) -> Head | None:
        version = self.current(key)
        if version is None:
            return None
        return Head(
            version_id=version.name,
            etag=version.body,
            size=len(version.body),
            last_modified=str(version.written),
            metadata=version.metadata,
            tag_count=len(self.tagged[version]) if self.counts_tags else 0,
        )

    def tags(self, key: str, version_id: str | None) -> TagsRead | None:
        return step(lambda: self._tags(key, version_id))

    def _tags(self, key: str, version_id: str | None) -> TagsRead | None:
        version = self.current(key) if version_id is None else self._version(key, version_id)
        return None if version is None else TagsRead(version.name, self.tagged[version])

    def _version(self, key: str, name: str) -> Version | None:
        return next((each for each in self.versions[key] if each is not None and each.name == name), None)

    def decides_by_tags(self) -> bool:
        return False

    def abandon(self, key: str, begun: object) -> None:
        assert begun is None

    def copy(self, key: str, state: ObjectState, begun: object) -> int:
        self.abandon(key, begun)
        if self.copying is Copying.TAGS_ONLY_WHERE_THE_COPY_IS_THERE:
            there = step(lambda: self.replica.get(key))
            if there is not None and there[:2] == (state.head.etag, state.head.metadata):
                self._retag(key, state.tags)
                return 0
        version = step(lambda: self._pinned(key, state.head))
        tags = state.tags if self.copying is Copying.IN_ONE_CALL else ()
        # A copy reads and writes at two different instants, and anything may happen between them.
        made = step(lambda: self._make(key, (version.body, state.head.metadata, tags)))
        if tags != state.tags:
            pinned = self.copying is Copying.TAGS_ON_THE_VERSION_MADE
            self._retag(key, state.tags, made if pinned else None)
        return len(version.body)

    def _make(self, key: str, replica: tuple[str, Any, Tags]) -> int:
        self.replica[key] = replica
        self.made[key] += 1
        return self.made[key]

    def _retag(self, key: str, tags: Tags, made: int | None = None) -> None:
        """Put the tags on this version, or else on whatever replica is there by now."""

        def land() -> None:
            if made is not None and (key not in self.replica or made != self.made[key]):
                return
            if key not in self.replica:
                raise SourceMoved
            self.replica[key] = (*self.replica[key][:2], tags)

        step(land)

    def _pinned(self, key: str, head: Head) -> Version:
        version = self.current(key) if head.version_id is None else self._version(key, head.version_id)
        if version is None or version.body != head.etag:
            raise SourceMoved
        return version

    def has_replica(self, key: str) -> bool:
        return step(lambda: key in self.replica)

    def delete(self, key: str) -> int:
        step(lambda: self.replica.pop(key, None))
        return 0


SPELLINGS: Mapping[Dataset, Sequence[Sequence[tuple[str, ...]]]] = {
    ITEMS: [[("a", "1"), ("a", "1.0")], [("a", "10"), ("a", "1e1")]],
    ORDERS: [[("a b", "c")], [("a", "b c")]],
    CUSTOMERS: [[("a",)], [("a=b",)]],
    BLOBS: [[("AA==", "-1"), ("AA==", "-0.10e1")], [("AAA=", "-1"), ("AAA=", "-1.0")]],
}
"""Two keys of each table that are near each other, in all the ways that an event or a command may write them."""

ROUTE = MadeRoute(source_bucket="prod-bucket", source_table="prod-table").spec
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAMP = {"replicationTimestamp": {"S": NOON.isoformat(timespec="milliseconds")}}


@dataclass
class Table:
    """One side's table: it tells its keys apart as DynamoDB does, and may leave some of a batch unprocessed."""

    processed: Callable[[Sequence[Any]], int]
    """How many of a batch are."""

    dataset: Dataset
    items: dict[tuple[Any, ...], Item] = field(default_factory=dict)

    def place(self, item: Item) -> tuple[Any, ...]:
        values = [item[each.name][each.type] for each in self.dataset.key]
        return tuple(
            Decimal(value) if each.type is KeyType.NUMBER else value
            for each, value in zip(self.dataset.key, values, strict=True)
        )

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - boto3's own name
        ((name, asked),) = RequestItems.items()
        assert asked["ConsistentRead"]
        count = self.processed(asked["Keys"])
        now, left = asked["Keys"][:count], asked["Keys"][count:]
        found = step(lambda: [self.items[place] for place in map(self.place, now) if place in self.items])
        return {"Responses": {name: found}, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}

    def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 - boto3's own name
        ((name, requests),) = RequestItems.items()
        count = self.processed(requests)
        for request in requests[:count]:
            # A batch of writes is not a transaction: each lands at its own instant.
            step(lambda request=request: self.land(request))  # type: ignore[misc]
        return {"UnprocessedItems": {name: requests[count:]} if requests[count:] else {}}

    def land(self, request: Any) -> None:
        match request:
            case {"PutRequest": {"Item": item}}:
                self.items[self.place(item)] = item
            case {"DeleteRequest": {"Key": key}}:
                self.items.pop(self.place(key), None)

    def delete_item(self, TableName: str, Key: Any, **condition: Any) -> None:  # noqa: N803 - boto3's own names
        assert TableName
        current: dict[str, str] = condition["ExpressionAttributeValues"][":current"]

        def land() -> bool:
            is_current: bool = self.items.get(self.place(Key), {}).get("replicatedPolicy") == current
            if not is_current:
                self.items.pop(self.place(Key), None)
            return not is_current

        if not step(land):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "DeleteItem")


@dataclass
class Items:
    """A table and its replica."""

    make: type[ItemStore]
    dataset: Dataset = ITEMS
    clock: int = 0

    def __post_init__(self) -> None:
        self.source, self.target = (Table(self._processed, self.dataset) for _ in range(2))
        clients: Any = SimpleNamespace(source_dynamodb=self.source, target_dynamodb=self.target)
        routed = RoutedDataset(dataset=self.dataset, source="prod-table", target="dev-table")
        self.given: dict[str, Any] = {"clients": clients, "route": ROUTE, "routed": routed, "clock": lambda: NOON}

    @property
    def store(self) -> Store[Any, Any]:
        return self.make(**self.given)

    def attributes(self, _pick: int) -> dict[str, Any]:
        return {"n": {"N": str(self.clock)}}

    def change(self, pick: int) -> RecordKey:
        spellings = SPELLINGS[self.dataset][pick % 2]
        key = self.dataset.record(*spellings[pick // 6 % len(spellings)])
        self.clock += 1
        attributes = key.attributes()
        if pick // 2 % 3:
            self.source.items[self.source.place(attributes)] = {**attributes, **self.attributes(pick // 6)}
        else:
            self.source.items.pop(self.source.place(attributes), None)
        return key

    def activate(self) -> Collection[RecordKey]:
        return ()

    def is_level(self, given_up: Collection[RecordKey]) -> bool:
        assert not given_up
        wanted = {
            place: {**(desired_item(item, self.dataset, source="prod", target="dev") or {}), **STAMP}
            for place, item in self.source.items.items()
        }
        return self.target.items == wanted

    def _processed(self, batch: Sequence[Any]) -> int:
        """Leave some keys unprocessed now and then, but never all of them."""
        return len(batch) if self.clock % 3 else 1


def policies(**changes: Any) -> dict[str, Any]:
    return policy({each.name: item_policy(each, **changes) for each in TABLES}, generation=2)


CURRENT = policies(where=[{"attribute": "status", "op": "not", "value": {"S": "closed"}}])
FORMER = {"the same": CURRENT, "of the same keys": policies(), "of another generation": {**CURRENT, "generation": 1}}
"""What made replicas before, or makes them still."""


class MaskedItems(Items):
    """A table, and its replica by two policies: at the same time at first, and at the end by the current one alone.

    A change may leave an item that they refuse, or one that the current one has not travel.
    """

    def __init__(self, former: dict[str, Any], dataset: Dataset) -> None:
        self.masks = [made_mask(former), made_mask(CURRENT)]
        self.made = 0
        super().__init__(ItemStore, dataset)

    @property
    def store(self) -> Store[Any, Any]:
        """The store of a function's version: of the one or of the other, as long as both are there."""
        self.made += 1
        mask = self.masks[self.made % len(self.masks)]
        # A step, since KMS may be away as well.
        return ItemStore(**self.given, mask=lambda: step(lambda: mask))

    def attributes(self, pick: int) -> dict[str, Any]:
        refused = {"surprise": {"S": "secret"}} if pick % 3 == 0 else {}
        return {"n": {"N": str(self.clock)}, "status": {"S": ("open", "closed")[pick % 2]}, **refused}

    def activate(self) -> Collection[RecordKey]:
        """Have the current policy alone from now on, delete what is under no key of its, and begin a backfill."""
        self.masks = self.masks[1:]
        keys = [self.dataset.record(*spellings[0]) for spellings in SPELLINGS[self.dataset]]
        places = {self.target.place(self.masks[0].key(key).attributes()) for key in keys}
        self.target.items = {place: item for place, item in self.target.items.items() if place in places}
        return keys

    def is_level(self, given_up: Collection[RecordKey]) -> bool:
        (mask,) = self.masks
        left = dict(self.target.items)
        for item in self.source.items.values():
            key = self.dataset.of_item(item)
            found = left.pop(self.target.place(mask.key(key).attributes()), None)
            try:
                wanted = desired_item(item, self.dataset, source="prod", target="dev", mask=mask)
            except Unclassified:
                # Only what the policy has made of a former state may be there.
                if key not in given_up or (found and mask.item_doubt(found, self.dataset)):
                    return False
            else:
                if found != (wanted and {**wanted, **STAMP}):
                    return False
        return not left


class UnconfirmedObjects(ObjectStore):
    """The store with the confirming read taken out."""

    def confirm(self, states: Mapping[str, ObjectState | None]) -> Reading[str, ObjectState]:
        return dict(states)


class UnconfirmedItems(ItemStore):
    """The store with the confirming read taken out."""

    def confirm(self, states: Mapping[RecordKey, ItemState | None]) -> Reading[RecordKey, ItemState]:
        return dict(states)


MODEL = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)


@pytest.mark.parametrize(
    ("copying", "counts_tags"),
    [
        (Copying.IN_ONE_CALL, True),
        (Copying.IN_ONE_CALL, False),
        (Copying.TAGS_APART, True),
        (Copying.TAGS_ON_THE_VERSION_MADE, True),
        (Copying.TAGS_ONLY_WHERE_THE_COPY_IS_THERE, True),
    ],
)
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_replicas_of_objects_end_equal_to_their_source(versioned: bool, counts_tags: bool, copying: Copying) -> None:
    @MODEL
    @given(LONG_TAPES)
    def holds(tape: Tape) -> None:
        assert History(Objects(versioned, counts_tags, ObjectStore, copying)).run(tape)

    holds()


@pytest.mark.parametrize("dataset", TABLES, ids=lambda dataset: dataset.name)
def test_replicas_of_items_end_equal_to_their_source(dataset: Dataset) -> None:
    @MODEL
    @given(LONG_TAPES)
    def holds(tape: Tape) -> None:
        assert History(Items(ItemStore, dataset)).run(tape)

    holds()


@pytest.mark.parametrize("former", FORMER)
@pytest.mark.parametrize("dataset", [ITEMS, BLOBS], ids=lambda dataset: dataset.name)
def test_masked_replicas_of_items_end_as_the_policy_has_them_absent_or_given_up(dataset: Dataset, former: str) -> None:
    @MODEL
    @given(LONG_TAPES)
    def holds(tape: Tape) -> None:
        assert History(MaskedItems(FORMER[former], dataset)).run(tape)

    holds()


def counterexample(world: Callable[[], World]) -> Tape:
    """Return the shortest tape found after which a replica differs from its source."""
    return find(
        TAPES,
        lambda tape: not History(world()).run(tape),
        settings=settings(MODEL, max_examples=3000),
        random=random.Random(0),
    )


def test_the_model_finds_the_bug_in_separate_tags_without_the_confirming_read() -> None:
    tape = counterexample(lambda: Objects(True, True, UnconfirmedObjects, Copying.TAGS_APART))
    assert History(Objects(True, True, ObjectStore, Copying.TAGS_APART)).run(tape)


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_the_model_finds_the_bug_in_objects_without_the_confirming_read(versioned: bool) -> None:
    tape = counterexample(lambda: Objects(versioned, True, UnconfirmedObjects))
    assert History(Objects(versioned, True, ObjectStore)).run(tape)


@pytest.mark.parametrize("dataset", TABLES, ids=lambda dataset: dataset.name)
def test_the_model_finds_the_bug_in_items_without_the_confirming_read(dataset: Dataset) -> None:
    tape = counterexample(lambda: Items(UnconfirmedItems, dataset))
    assert History(Items(ItemStore, dataset)).run(tape)


def test_a_search_that_finds_nothing_says_so() -> None:
    with pytest.raises(NoSuchExample):
        find(TAPES, lambda _: False, settings=settings(MODEL, max_examples=5), random=random.Random(0))

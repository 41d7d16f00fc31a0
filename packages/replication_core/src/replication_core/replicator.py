"""A route's replicator: keys in, outcomes out, many at a time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from replication_core.admission import freely
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import unexpected
from replication_core.aws.route_key import RouteKey
from replication_core.batching import batches
from replication_core.clients import Clients
from replication_core.datasets import Dataset, RecordKey
from replication_core.deadline import Deadline
from replication_core.desired import DEFAULT_LARGE_FROM
from replication_core.items.dynamodb import READ_BATCH, ItemStore, count_items
from replication_core.objects.large_copy import DEFAULT_PART_SIZE, LargeCopy
from replication_core.objects.s3 import ObjectStore, S3Objects
from replication_core.objects.unfinished import UnfinishedCopy
from replication_core.reconcile import Action, Outcome, Store, reconcile
from replication_core.route_mask import Masking, mask_of
from replication_core.route_spec import RouteSpec

if TYPE_CHECKING:
    from replication_core.delete_brake import DeleteBrake
    from replication_core.objects.masked_copy import MaskedCopy
    from replication_core.route_shadow import RouteShadow

__all__ = ["PART_THREADS", "THREADS", "Replicator", "build_replicator"]

THREADS = 32
"""Objects, or batches of items, that are worked on at the same time. They wait for AWS most of it."""

PART_THREADS = 32
"""Parts of large objects that are copied at the same time, for all large objects together.

As many as there are objects under way, so that a batch of large ones is no slower in parts than whole.
"""

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicator:
    """Brings keys of one route level with their source."""

    route: RouteSpec
    objects: Mapping[str, ObjectStore]
    """The store of each bucket that the target gets, by the dataset's name."""

    items: Mapping[str, ItemStore]
    """Likewise of each table."""

    executor: Executor
    deadline: Deadline = field(default_factory=Deadline)
    shadow: "RouteShadow | None" = None
    """What the next policy is told of each record by; None where there is no such policy."""

    clock: Callable[[], datetime] = _now

    def reconcile(
        self,
        keys: Iterable[RecordKey],
        *,
        unsure: Collection[RecordKey] = (),
        begun: Mapping[RecordKey, UnfinishedCopy] = MappingProxyType({}),
    ) -> dict[RecordKey, Outcome]:
        """Bring each record's replica level and return what became of it; nothing is raised for a record.

        One that is repeated is worked on once. Those that the route does not replicate are ignored, and so are the
        `unsure` ones that neither side has an object of, which were another's in another spelling: what the target has
        of such a key without a replica's mark is its own, and stays. Those that were not started when the deadline
        passed are not in the answer. What is `begun` of a record is gone on with, where it is of the source's version.
        """
        outcomes: dict[RecordKey, Outcome] = {}
        objects: list[RecordKey] = []
        items: dict[str, list[RecordKey]] = defaultdict(list)
        for key in dict.fromkeys(keys):
            if not self.route.wants(key):
                outcomes[key] = Outcome(Action.IGNORED, settled_at=self.clock())
            elif key.dataset.is_bucket:
                objects.append(key)
            else:
                items[key.dataset.name].append(key)
        # Items first: a batch of them is done in a moment, and would else wait for every object, however large.
        work = [
            self.executor.submit(self._settle_beside, batch, self.items[name], batch[0].dataset)
            for name, some in items.items()
            for batch in batches(some, READ_BATCH)
        ]
        work += [
            self.executor.submit(self._unsure, key)
            if key in unsure
            else self.executor.submit(self._object, key, begun.get(key))
            for key in objects
        ]
        for future in work:
            outcomes.update(future.result())
        return outcomes

    def _object(self, key: RecordKey, begun: UnfinishedCopy | None = None) -> dict[RecordKey, Outcome]:
        store = self.objects[key.dataset.name]
        store = store if begun is None else store.going_on(key.object_key, begun)
        settled = self._settle_beside([key.object_key], store, key.dataset)
        return dict.fromkeys([key], settled[key.object_key]) if settled else {}

    def _unsure(self, key: RecordKey) -> dict[RecordKey, Outcome]:
        if self.deadline.passed():
            return {}
        outcome = self._without_a_write(key)
        return self._object(key) if outcome is None else {key: replace(outcome, settled_at=self.clock())}

    def _without_a_write(self, key: RecordKey) -> Outcome | None:
        """Return what becomes of a guessed key whose replica must not be touched, None of one that is to be reconciled.

        To delete what was never there would leave a delete marker of it in a target with versions, and to delete what
        is the target's own would lose it.
        """
        try:
            return Outcome(Action.IGNORED) if self.objects[key.dataset.name].is_nowhere(key.object_key) else None
        except StoreError as error:
            return Outcome(Action.FAILED, error=error)
        except Exception as error:  # noqa: BLE001 - as in _settle
            return Outcome(Action.FAILED, error=unexpected(error))

    def _settle_beside(self, keys: Collection[T], store: Store[T, Any], dataset: Dataset) -> dict[T, Outcome]:
        """Settle these, and have the shadow look at them where there is one."""
        if self.shadow is None:
            return self._settle(keys, store)
        watched = self.shadow.watched(store)
        return self.shadow.beside(dataset, self._settle(keys, watched), watched.states)

    def _settle(self, keys: Collection[T], store: Store[T, Any]) -> dict[T, Outcome]:
        if self.deadline.passed():
            return {}
        try:
            outcomes = reconcile(keys, store)
        except Exception as error:  # noqa: BLE001 - a fault of this program must not take the batch's others with it
            if len(keys) > 1:
                return {key: outcome for each in keys for key, outcome in self._settle([each], store).items()}
            outcomes = dict.fromkeys(keys, Outcome(Action.FAILED, error=unexpected(error)))
        now = self.clock()
        return {key: replace(outcome, settled_at=now) for key, outcome in outcomes.items()}


def build_replicator(
    route: RouteSpec,
    clients: Clients,
    *,
    threads: int = THREADS,
    part_threads: int = PART_THREADS,
    large_from: int = DEFAULT_LARGE_FROM,
    part_size: int = DEFAULT_PART_SIZE,
    masked_part_size: int | None = None,
) -> Replicator:
    """Put a route's replicator together, in Lambda or anywhere else.

    The clients should allow `threads + part_threads` connections. Objects of more than `large_from` bytes are copied
    in parts of `part_size` bytes, which S3 wants to be 5 MiB to 5 GiB, and masked bodies are uploaded in parts of
    `masked_part_size` bytes, which are held in memory.

    >>> replicator = build_replicator(route, clients)                                           # doctest: +SKIP
    >>> replicator.reconcile([OBJECTS.record("reports/1.csv"), ITEMS.record("a", "1700000000")])    # doctest: +SKIP
    """
    if any(routed.dataset.is_bucket for routed in route.routed):
        from replication_core.objects.lean_reads import read_lean  # noqa: PLC0415 - a route of tables loads none

        clients = replace(clients, source_s3=read_lean(clients.source_s3), target_s3=read_lean(clients.target_s3))
    deadline = Deadline()
    large_copy = LargeCopy(
        client=clients.copying_s3,
        executor=ThreadPoolExecutor(part_threads, thread_name_prefix="part"),
        part_size=part_size,
        out_of_time=deadline.passed,
    )

    @cache
    def masked_copy() -> "MaskedCopy":
        from replication_core.objects.masked_copy import (  # noqa: PLC0415 - a route that masks nothing loads none
            MASKED_PART_SIZE,
            MaskedCopy,
        )

        size = masked_part_size or MASKED_PART_SIZE
        return MaskedCopy(client=clients.copying_s3, part_size=size, out_of_time=deadline.passed)

    key = RouteKey(kms=clients.kms, arn=route.mask_key_arn)
    mask = mask_of(route.masking, key)
    brake = _brake(route, clients)
    objects: dict[str, ObjectStore] = {}
    items: dict[str, ItemStore] = {}
    writes = ThreadPoolExecutor(threads, thread_name_prefix="write")
    for routed in route.routed:
        if routed.dataset.is_bucket:
            count = partial(_count_objects, clients.target_s3, routed.target)
            calls = S3Objects(
                clients=clients,
                route=route,
                routed=routed,
                large_copy=large_copy,
                masked_copy=masked_copy,
                large_from=large_from,
                mask=mask,
                admit=brake.of(routed.dataset.name, count) if brake else freely,
            )
            objects[routed.dataset.name] = ObjectStore(calls)
        else:
            count = partial(count_items, clients.target_dynamodb, routed.target)
            admit = brake.of(routed.dataset.name, count) if brake else freely
            items[routed.dataset.name] = ItemStore(
                clients=clients, route=route, routed=routed, mask=mask, admit=admit, executor=writes
            )
    return Replicator(
        route=route,
        objects=objects,
        items=items,
        executor=ThreadPoolExecutor(threads, thread_name_prefix="replicate"),
        deadline=deadline,
        shadow=_shadow(route, mask, key, deadline) if route.shadow else None,
    )


def _shadow(route: RouteSpec, mask: Masking, key: RouteKey, deadline: Deadline) -> "RouteShadow":
    from replication_core.route_shadow import RouteShadow  # noqa: PLC0415 - a route without one loads none

    return RouteShadow.of(route, live=mask, then=mask_of(route.shadow, key), out_of_time=deadline.half_passed)


def _brake(route: RouteSpec, clients: Clients) -> "DeleteBrake | None":
    # A policy that can't be read is told of each key, by its mask.
    if not route.brake_table or route.policy is None or route.policy.brake is None:
        return None
    from replication_core.delete_brake import BrakeTable, DeleteBrake  # noqa: PLC0415 - likewise

    table = BrakeTable(dynamodb=clients.source_dynamodb, name=route.brake_table)
    return DeleteBrake(policy=route.policy.brake, table=table)


def _count_objects(client: Any, bucket: str, most: int) -> int:
    from replication_core.objects.listings import list_objects  # noqa: PLC0415 - likewise

    return sum(1 for _ in islice(list_objects(client, bucket), most))

"""A route's shadow: its next policy beside the live one, by which nothing is written."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, Self, TypeVar

from replication_core.aws.errors import StoreError
from replication_core.datasets import Dataset, RecordKey
from replication_core.items.states import ItemState
from replication_core.masking.refusals import Unclassified
from replication_core.masking.shadow import Impact, Shadow, ShadowChange, Shadowed
from replication_core.objects.states import ObjectState
from replication_core.reconcile import Action, Outcome, Reading, Store, Writing
from replication_core.route_mask import Masking
from replication_core.route_spec import RouteSpec

__all__ = ["RouteShadow", "WatchedStore"]

K = TypeVar("K")
S = TypeVar("S")

_DONE = frozenset({Action.COPIED, Action.DELETED})


@dataclass(frozen=True, slots=True)
class WatchedStore(Generic[K, S]):
    """A store, and the states that were last written by it."""

    store: Store[K, S]
    states: dict[K, S | None] = field(default_factory=dict)

    def read(self, keys: Collection[K]) -> Reading[K, S]:
        """Read the source's current states."""
        return self.store.read(keys)

    def write(self, states: Mapping[K, S | None]) -> Writing[K]:
        """Make the replicas what these states ask for."""
        self.states.update(states)
        return self.store.write(states)

    def confirm(self, states: Mapping[K, S | None]) -> Reading[K, S]:
        """Read the source's current states, knowing those that were written."""
        return self.store.confirm(states)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteShadow:
    """Tells of records that are done, or refused, what the next policy would make otherwise.

    It comes after the live policy's work on them, calls nothing, and raises nothing. Other records wait for it, so the
    latter half of an invocation's time is theirs alone.
    """

    route: RouteSpec
    shadow: Callable[[], Shadow]
    """Returns what compares the policies, always the same; raises StoreError while it can't be made."""

    out_of_time: Callable[[], bool]

    @classmethod
    def of(cls, route: RouteSpec, *, live: Masking, then: Masking, out_of_time: Callable[[], bool]) -> Self:
        """Return the shadow of a route, whose masks are made when they are first needed."""

        @cache
        def shadow() -> Shadow:
            masks = live(), then()
            if masks[0] is None or masks[1] is None:
                raise StoreError("MaskPolicy", "nothing is masked")
            return Shadow(masks[0], masks[1])

        return cls(route=route, shadow=shadow, out_of_time=out_of_time)

    def watched(self, store: Store[K, S]) -> WatchedStore[K, S]:
        """Return a store that keeps what it writes for `beside`."""
        return WatchedStore(store)

    def beside(
        self, dataset: Dataset, outcomes: Mapping[K, Outcome], states: Mapping[K, ItemState | ObjectState | None]
    ) -> dict[K, Outcome]:
        """Return the outcomes with what the shadow makes of the states that they are of; of a deleted record nothing.

        What is to be tried again is told then.
        """
        return {
            key: replace(outcome, shadow=self._shadowed(dataset, key, state))
            if (state := states.get(key)) is not None and _is_settled(outcome)
            else outcome
            for key, outcome in outcomes.items()
        }

    def _shadowed(self, dataset: Dataset, key: Any, state: ItemState | ObjectState) -> Shadowed:
        if self.out_of_time():
            return _not_compared(dataset, "no time was left")
        try:
            shadow = self.shadow()
            if isinstance(state, ItemState):
                return shadow.item(key, state.item)
            bucket = next(each.source for each in self.route.routed if each.dataset == dataset)
            record = RecordKey(dataset, (key,))
            return shadow.object(record, state, bucket=bucket, environment=self.route.source_environment)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the next policy, the live one is not touched
            return _not_compared(dataset, str(getattr(error, "kind", type(error).__name__)))


def _is_settled(outcome: Outcome) -> bool:
    return outcome.action in _DONE or isinstance(outcome.error, Unclassified)


def _not_compared(dataset: Dataset, why: str) -> Shadowed:
    return Shadowed(Impact.FAILED, frozenset([ShadowChange(dataset.name, "", "", f"{Impact.FAILED}: {why}")]))

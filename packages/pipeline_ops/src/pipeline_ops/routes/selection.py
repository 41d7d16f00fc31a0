"""The selection of a route's records that a command is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline_ops.errors import MISUSED, OperatorError
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.objects.listings import KeyRange, Listed, list_objects
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["Selected", "Selection", "chosen_objects", "select"]


@dataclass(frozen=True, kw_only=True)
class Selected:
    """Some records of one dataset: those of a table all, those of a bucket below a prefix."""

    routed: RoutedDataset
    prefix: str = ""

    def __str__(self) -> str:
        dataset = self.routed.dataset
        if self.prefix:
            return f"{dataset.name} below {self.prefix}"
        return f"all {dataset.name}" if dataset in (OBJECTS, ITEMS) else f"all of {dataset.name}"


@dataclass(frozen=True)
class Selection:
    """Records of one or more datasets."""

    parts: tuple[Selected, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.parts))


def chosen_objects(sides: Sides, selected: Selected, key_range: KeyRange, since: datetime | None) -> Iterator[Listed]:
    """List the source's objects of a range that the route replicates, and that were modified at or after an instant."""
    routed = selected.routed
    for listed in list_objects(sides.source_s3, routed.source, selected.prefix, key_range):
        if routed.wants_object(listed.key) and (since is None or listed.last_modified >= since):
            yield listed


def select(route: RouteSpec, *, prefix: str | None, items: bool, datasets: Sequence[str] = ()) -> Selection:
    """Return what was asked for, where nothing was, all that the route replicates.

    `prefix` is of the dataset `objects`, `items` chooses that dataset, and `datasets` are names, each with a prefix of
    a bucket's keys after a colon. Raises OperatorError, as misuse, for what the route does not replicate, and for a
    dataset that is chosen in two ways.
    """
    named = [name.partition(":")[::2] for name in datasets]
    if prefix is not None:
        named.insert(0, (OBJECTS.name, prefix))
    if items:
        named.append((ITEMS.name, ""))
    if not named:
        named = [(routed.dataset.name, "") for routed in route.routed]
    chosen = dict(named)
    if several := next((name for name, below in named if below != chosen[name]), None):
        raise OperatorError(f"{several} is chosen in two ways: choose it by one prefix, or all of it.", MISUSED)
    return Selection(tuple(_selected(route, name, below) for name, below in chosen.items()))


def _selected(route: RouteSpec, name: str, prefix: str) -> Selected:
    routed = route.dataset(name)
    if routed is None or not routed.target:
        there = ", ".join(each.dataset.name for each in route.routed)
        raise OperatorError(
            f"The route to {route.target} does not replicate {name}: it replicates {there} (replication:targets).",
            MISUSED,
        )
    if prefix and not routed.dataset.is_bucket:
        raise OperatorError(f"{name} is a table, which has no prefixes: leave out `:{prefix}`.", MISUSED)
    return Selected(routed=routed, prefix=prefix)

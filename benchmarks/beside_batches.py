"""The design of one scan and batches, which `verify items` is measured beside.

It scans the source and reads the replicas in batches. Then it scans the target's keys, and reads in batches whether the
source has them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.made_up_route import World
from replication_core.batching import batches
from replication_core.comparing.differences import item_differences
from replication_core.datasets import ITEMS, RecordKey
from replication_core.desired import desired_item
from replication_core.items.dynamodb import READ_BATCH, read_items
from replication_core.items.scans import Segment, scan
from replication_core.items.states import Item, ItemState

__all__ = ["compare_by_batches"]

_SEGMENTS = 8


def compare_by_batches(world: World) -> None:
    """Compare all items; raises RuntimeError where one has no equal replica, or a replica has no source."""
    sides = world.sides
    route, routed = sides.route, sides.route.datasets[1]
    names = ITEMS.attribute_names

    def items(client: Any, table: str, number: int, only: tuple[str, ...] = ()) -> Iterator[dict[RecordKey, Item]]:
        pages = scan(client, table, ITEMS, Segment(number, _SEGMENTS), only=only)
        for batch in batches((item for page in pages for item in page.items), READ_BATCH):
            yield {ITEMS.of_item(item): item for item in batch}

    def same(number: int) -> int:
        """Return how many of a segment's items have an equal replica, less the replicas that have no source."""
        count = 0
        for originals in items(sides.source_dynamodb, routed.source, number):
            replicas = read_items(sides.target_dynamodb, routed.target, ITEMS, originals)
            for key, original in originals.items():
                wanted = desired_item(original, ITEMS, source=route.source_environment, target=route.target)
                found = replicas[key]
                if wanted is not None and isinstance(found, ItemState):
                    count += not item_differences(wanted, found.item, ITEMS)
        for keys in items(sides.target_dynamodb, routed.target, number, names):
            there = read_items(sides.source_dynamodb, routed.source, ITEMS, keys, only=names)
            count -= sum(not isinstance(found, ItemState) for found in there.values())
        return count

    with ThreadPoolExecutor(2 * _SEGMENTS) as executor:
        if (count := sum(executor.map(same, range(_SEGMENTS)))) != world.keys:
            raise RuntimeError(f"{count} of {world.keys} items are equal")

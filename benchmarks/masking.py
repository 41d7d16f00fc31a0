"""What masking costs by itself: how many items a core masks in a second.

The items are made up beforehand, and nothing is called: the time is the processor's, which other programs do not
lengthen. An item is of about 300 bytes, with a key that is a pseudonym and a rule of another kind for each attribute.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.report import Expectation, Report, Sheet
from replication_core.datasets import ITEMS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy, PathRule, Rule, TableRules
from replication_core.masking.pseudonyms import Pseudonyms

__all__ = ["POLICY", "measure_masking"]

_LEAST_ITEMS_PER_SECOND = 15_000
_ROUNDS = 5

_KEPT = Rule("keep")
POLICY = MaskingPolicy(
    namespaces=("customer", "mail"),
    tables={
        ITEMS.name: TableRules(
            key={"id": Rule("pseudonym", {"namespace": "customer", "prefix": "c_"}), "timestamp": _KEPT},
            attributes=(
                PathRule("status", _KEPT),
                PathRule("amount", Rule("bucket", {"by": "0.5"})),
                PathRule("email", Rule("email", {"namespace": "mail"})),
                PathRule("phone", Rule("digits", {"keep_last": 3})),
                PathRule("born", Rule("shift", {"namespace": "visits", "days": 365})),
                PathRule("contact.name", Rule("fake", {"table": "names"})),
                PathRule("note", Rule("replace", {"value": {"S": "[removed]"}})),
                PathRule("lines[].sku", _KEPT),
            ),
        )
    },
)
"""Of the items: six rules that make something else, and two that look at what is kept."""


def _item(number: int) -> dict[str, Any]:
    return {
        "id": {"S": f"customer-{number % 1000}"},
        "timestamp": {"N": str(1_700_000_000 + number)},
        "status": {"S": "delivered to the neighbours"},
        "amount": {"N": f"{number % 500}.25"},
        "email": {"S": f"jane.doe.{number}@example.com"},
        "phone": {"S": f"+43 660 {number:07d}"},
        "born": {"S": "1987-05-23"},
        "contact": {"M": {"name": {"S": f"Jane Doe {number}"}}},
        "note": {"S": "called twice about the delivery, and wants it by Friday"},
        "lines": {"L": [{"M": {"sku": {"S": f"sku-{line}"}}} for line in range(3)]},
    }


@dataclass(frozen=True)
class Masked:
    """How many items of a kind a core masks in a second, and the process's peak of memory."""

    items: int
    per_second: float
    peak_mib: float


def _masked(items: int) -> Masked:
    mask = Mask(POLICY, Pseudonyms(bytes(32), POLICY.generation))
    made_up = [_item(number) for number in range(min(items, 10_000))]

    def once() -> float:
        begin = time.process_time()
        for _ in range(items // len(made_up)):
            for item in made_up:
                if mask.item(item, ITEMS) is None:
                    raise RuntimeError("an item does not travel")
        return items / (time.process_time() - begin)

    return Masked(items, statistics.median(once() for _ in range(_ROUNDS)), peak_mib())


def measure_masking(say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure it in a process of its own."""
    say("Measuring masking: items")
    masked = elsewhere(_masked, 10_000 if quick else 50_000)
    sheet = Sheet(
        "Items masked by a core in a second",
        ("items", "items/s", "peak MiB"),
        [(f"{masked.items:,}", f"{masked.per_second:,.0f}", f"{masked.peak_mib:g}")],
    )
    fast = Expectation(
        "items masked by a core in a second",
        f"at least {_LEAST_ITEMS_PER_SECOND:,}",
        f"{masked.per_second:,.0f}",
        masked.per_second >= _LEAST_ITEMS_PER_SECOND,
    )
    found: Mapping[str, Any] = {"items": asdict(masked)}
    return Report("masking", found, [sheet], [fast])

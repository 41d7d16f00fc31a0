"""The policy that masking is measured by, the items that it is for, and the key that their pseudonyms are made with."""

from typing import Any

from record_files.splitting import Format
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.masking.mask import Mask
from replication_core.masking.policy import (
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    PathRule,
    RecordsBody,
    Rule,
    TableRules,
)
from replication_core.masking.pseudonyms import Pseudonyms

__all__ = ["POLICY", "ROOT", "made_up_item", "made_up_mask"]

ROOT = bytes(range(32))
"""What the stand-in's key makes of every message."""

_KEPT = Rule("keep")
_CUSTOMER = Rule("pseudonym", {"namespace": "customer", "prefix": "c_"})
_FIELDS = (
    PathRule("id", _CUSTOMER),
    PathRule("timestamp", Rule("keep", {"type": "N"})),
    PathRule("status", _KEPT),
    PathRule("amount", Rule("bucket", {"by": "0.5", "type": "N"})),
    PathRule("email", Rule("email", {"namespace": "mail"})),
    PathRule("phone", Rule("digits", {"keep_last": 3})),
    PathRule("born", Rule("shift", {"namespace": "visits", "days": 365})),
    PathRule("note", Rule("replace", {"value": {"S": "[removed]"}})),
)
"""Of the bodies' records."""

POLICY = MaskingPolicy(
    namespaces=("customer", "mail", "visits"),
    tables={
        ITEMS.name: TableRules(
            key={"id": _CUSTOMER, "timestamp": _KEPT},
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
    buckets={
        OBJECTS.name: BucketRules(
            rules=tuple(
                ObjectRule(match=f"{each.value}/**", line=0, key={}, body=RecordsBody(each.value, _FIELDS))
                for each in Format
            )
        )
    },
)
"""Six rules each that make something else, and two that look at what is kept."""


def made_up_mask() -> Mask:
    """Return the policy's mask by that key."""
    return Mask(POLICY, Pseudonyms(ROOT, POLICY.generation))


def made_up_item(key: RecordKey) -> dict[str, Any]:
    """Return an item of about 300 bytes, whose every attribute has a rule."""
    id_ = key.values[0]
    return {
        **key.attributes(),
        "status": {"S": "delivered to the neighbours"},
        "amount": {"N": "123.25"},
        "email": {"S": f"jane.doe.{id_}@example.com"},
        "phone": {"S": f"+43 660 {id_[-7:]}"},
        "born": {"S": "1987-05-23"},
        "contact": {"M": {"name": {"S": f"Jane Doe {id_}"}}},
        "note": {"S": "called twice about the delivery, and wants it by Friday"},
        "lines": {"L": [{"M": {"sku": {"S": f"sku-{number}"}}} for number in range(3)]},
    }

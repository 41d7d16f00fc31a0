"""Compiled policies of the datasets that tests use, and the KMS that answers for their keys."""

from collections.abc import Mapping
from typing import Any

from replication_core.datasets import ITEMS, Dataset, KeyType
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms

__all__ = ["ATTRIBUTES", "KEEP", "ROOT", "MadeKms", "item_policy", "made_mask", "policy", "pseudonym"]

ROOT = bytes(range(32))
KEEP: Mapping[str, Any] = {"rule": "keep", "line": 1, "types": ["S", "N", "B"], "reason": "made up"}

ATTRIBUTES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("n", {**KEEP, "line": 11}),
    ("status", {**KEEP, "line": 12}),
    ("mail", {"rule": "email", "line": 13, "namespace": "mail"}),
    ("words", {"rule": "pseudonym", "line": 14, "namespace": "word"}),
    ("note", {"rule": "drop", "line": 15}),
)
"""The paths of an item's attributes and their rules, each on a line of its own."""


def pseudonym(namespace: str, **settings: Any) -> dict[str, Any]:
    return {"rule": "pseudonym", "line": 2, "namespace": namespace, **settings}


def item_policy(dataset: Dataset = ITEMS, *, masks_keys: bool = True, **changes: Any) -> dict[str, Any]:
    """Return a table's: its keys' values, but for the numbers in them, are pseudonyms where keys are to be masked."""
    key = {
        each.name: pseudonym(each.name) if masks_keys and each.type is not KeyType.NUMBER else KEEP
        for each in dataset.key
    }
    return {"key": key, "attributes": [list(each) for each in ATTRIBUTES], "where": [], "deletes": "mirror", **changes}


def policy(
    tables: Mapping[str, Any] | None = None, buckets: Mapping[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a route's, which refuses what it does not classify."""
    return {
        "version": 1,
        "generation": 1,
        "unclassified": "refuse",
        "namespaces": [],
        "tables": dict(tables or {}),
        "buckets": dict(buckets or {}),
        "sample": None,
        "brake": None,
        **changes,
    }


def made_mask(document: Mapping[str, Any]) -> Mask:
    """Return the mask of a policy, with the key that `MadeKms` has."""
    known = MaskingPolicy.parse(document)
    return Mask(known, Pseudonyms(ROOT, known.generation))


class MadeKms:
    """A KMS with one key, that can be away."""

    def __init__(self) -> None:
        self.calls = 0
        self.root = ROOT
        self.away = False

    def generate_mac(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        if self.away:
            raise ConnectionError
        return {"Mac": self.root}

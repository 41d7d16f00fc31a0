"""Where rules stand in a policy, as people read it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from replication_core.masking.policy import MaskingPolicy, ObjectRule, PathRule, RecordsBody, Rule, TableRules

__all__ = ["RuleAt", "object_place", "rules_of"]


class RuleAt(NamedTuple):
    """A rule, and where it stands."""

    place: str
    rule: Rule


def rules_of(policy: MaskingPolicy) -> Iterator[RuleAt]:
    """Yield every rule of a policy."""
    for name, table in policy.tables.items():
        yield from _of_table(f"datasets.{name}", table)
    for name, bucket in policy.buckets.items():
        for rule in bucket.rules:
            yield from _of_object(object_place(name, rule), rule)


def object_place(dataset: str, rule: ObjectRule) -> str:
    """Return where a bucket's rule stands: it is told by its pattern."""
    return f"datasets.{dataset}[{rule.match}]"


def _of_table(place: str, table: TableRules) -> Iterator[RuleAt]:
    for name, rule in table.key.items():
        yield RuleAt(f"{place}.key.{name}", rule)
    yield from _of_paths(f"{place}.attributes", table.attributes)


def _of_object(place: str, rule: ObjectRule) -> Iterator[RuleAt]:
    for what in ("key", "headers", "metadata", "tags"):
        for name, each in getattr(rule, what).items():
            yield RuleAt(f"{place}.{what}.{name}", each)
    if isinstance(rule.body, RecordsBody):
        yield from _of_paths(f"{place}.body", rule.body.fields)


def _of_paths(place: str, paths: Sequence[PathRule]) -> Iterator[RuleAt]:
    for each in paths:
        if each.rule:
            yield RuleAt(f"{place}.{each.path}", each.rule)
        if each.names:
            yield RuleAt(f"{place}.{each.path}.names", each.names)

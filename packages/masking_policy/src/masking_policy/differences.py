"""What a change of a policy lets through that was held back before, and what it holds back."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from masking_policy.places import object_place
from replication_core.masking.key_patterns import KeyPattern
from replication_core.masking.paths import Node, Path, Step, parse_path
from replication_core.masking.policy import (
    DROP,
    KEEP,
    OTHERS,
    Brake,
    BucketRules,
    Condition,
    MaskingPolicy,
    ObjectRule,
    OpaqueBody,
    PathRule,
    RecordsBody,
    Rule,
    Sample,
    TableRules,
    rule_trie,
)
from replication_core.masking.rules import RULES

__all__ = ["Effect", "PolicyDifference", "differences"]


class Effect(StrEnum):
    """What a change means for what reaches a target."""

    LOOSER = "looser"
    TIGHTER = "tighter"
    OTHER = "other"
    """Neither: something is masked in another way, such as by another namespace."""


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """One change."""

    effect: Effect
    place: str
    before: str
    after: str
    reason: str = ""
    """Why it is so now, in the policy's own words."""

    line: int = 0
    """Of the file as it is now; 0 for what has none."""

    @property
    def needs_reason(self) -> bool:
        """Whether something is loosened and nobody says why."""
        return self.effect is Effect.LOOSER and not self.reason

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        told = {"place": self.place, "before": self.before, "after": self.after, "line": self.line}
        return {"effect": self.effect.value, **told, "reason": self.reason, "needs_reason": self.needs_reason}


def differences(before: MaskingPolicy, after: MaskingPolicy) -> tuple[PolicyDifference, ...]:
    """Return what changed from one policy to another, what is looser first.

    Rules are compared by what they come to: a path that has no rule of its own any more has that of a wider one.
    """
    found = [*_of_route(before, after)]
    for name in sorted(before.tables.keys() | after.tables.keys()):
        found += _of_table(f"datasets.{name}", before.tables.get(name), after.tables.get(name))
    for name in sorted(before.buckets.keys() | after.buckets.keys()):
        found += _of_bucket(name, before.buckets.get(name), after.buckets.get(name))
    order = list(Effect)
    return tuple(sorted(found, key=lambda each: (order.index(each.effect), each.place)))


def _changed(place: str, before: Any, after: Any, effect: Effect, reason: str = "", line: int = 0) -> PolicyDifference:
    return PolicyDifference(effect, place, _told(before), _told(after), reason, line)


def _told(value: Any) -> str:
    return "-" if value is None else str(value)


def _by_more(before: float, after: float) -> Effect:
    """Tell what it means where more lets more through."""
    return Effect.LOOSER if after > before else Effect.TIGHTER if after < before else Effect.OTHER


# --- What is of the route as a whole


def _of_route(before: MaskingPolicy, after: MaskingPolicy) -> Iterator[PolicyDifference]:
    if before.generation != after.generation:
        yield _changed("generation", before.generation, after.generation, Effect.OTHER)
    if before.unclassified != after.unclassified:
        effect = Effect.LOOSER if after.unclassified == DROP else Effect.TIGHTER
        yield _changed("unclassified", before.unclassified, after.unclassified, effect)
    old, new = (policy.sample for policy in (before, after))
    if old != new:
        effect = _by_more(*(sample.percent if sample else 100 for sample in (old, new)))
        yield _changed("sample", _sample(old), _sample(new), effect)
    yield from _of_brake(before.brake, after.brake)


def _sample(sample: Sample | None) -> str:
    return f"{sample.percent} % by {sample.namespace}" if sample else "all"


def _of_brake(before: Brake | None, after: Brake | None) -> Iterator[PolicyDifference]:
    for name in ("deletes", "share"):
        (old, old_rate), (new, new_rate) = (_braking(brake, name) for brake in (before, after))
        if old != new:
            yield _changed(f"brake.{name}", old, new, _by_more(old_rate, new_rate))


def _braking(brake: Brake | None, name: str) -> tuple[str | None, float]:
    """Return what a brake stops at, and how many a minute that is."""
    number = getattr(brake, name) if brake else None
    return (f"{number} in {brake.minutes} min", number / brake.minutes) if brake and number else (None, float("inf"))


# --- Tables


def _of_table(place: str, before: TableRules | None, after: TableRules | None) -> Iterator[PolicyDifference]:
    if after is None:
        yield _changed(place, "travels", "is refused", Effect.TIGHTER)
        return
    old = before or TableRules(key={})
    yield from _of_named(f"{place}.key", old.key, after.key)
    yield from _of_paths(f"{place}.attributes", old.attributes, after.attributes)
    if before:
        yield from _of_conditions(f"{place}.where", before.where, after.where)
        yield from _of_deletes(place, before.deletes, after.deletes)


def _of_conditions(place: str, before: Sequence[Condition], after: Sequence[Condition]) -> Iterator[PolicyDifference]:
    for condition in before:
        if condition not in after:
            yield _changed(f"{place}.{condition.attribute}", _condition(condition), None, Effect.LOOSER)
    for condition in after:
        if condition not in before:
            yield _changed(f"{place}.{condition.attribute}", None, _condition(condition), Effect.TIGHTER)


def _condition(condition: Condition) -> str:
    if condition.op == "exists":
        return "exists" if condition.value else "does not exist"
    values = condition.value if condition.op == "in" else [condition.value]
    return f"{condition.op} {', '.join(str(next(iter(value.values()))) for value in values)}"


def _of_deletes(place: str, before: str, after: str) -> Iterator[PolicyDifference]:
    if before != after:
        yield _changed(f"{place}.deletes", before, after, Effect.LOOSER if after == "keep" else Effect.TIGHTER)


# --- Buckets


def _of_bucket(name: str, before: BucketRules | None, after: BucketRules | None) -> Iterator[PolicyDifference]:
    if after is None:
        yield _changed(f"datasets.{name}", "travels", "is refused", Effect.TIGHTER)
        return
    old = before or BucketRules(rules=())
    for rule in after.rules:
        yield from _of_object_rule(object_place(name, rule), _rule_of(old, rule.pattern), rule)
    for rule in old.rules:
        if _rule_of(after, rule.pattern) is None:
            yield _changed(object_place(name, rule), "travels", "is refused", Effect.TIGHTER)
        elif rule.match not in {other.match for other in after.rules}:
            yield from _of_object_rule(object_place(name, rule), rule, _rule_of(after, rule.pattern))
    if before:
        yield from _of_conditions(f"datasets.{name}.tags", before.tags, after.tags)
        yield from _of_deletes(f"datasets.{name}", before.deletes, after.deletes)


def _rule_of(bucket: BucketRules, pattern: KeyPattern) -> ObjectRule | None:
    """Return the rule of all keys that have a pattern, if one is."""
    found = bucket.patterns.match(pattern.fill(["\0"] * len(pattern.wildcards)))
    return bucket.rules[found.place] if found else None


def _of_object_rule(place: str, before: ObjectRule | None, after: ObjectRule | None) -> Iterator[PolicyDifference]:
    if after is None:
        return
    yield from _of_key(f"{place}.key", before, after)
    for what in ("headers", "metadata", "tags"):
        yield from _of_named(f"{place}.{what}", getattr(before, what, {}), getattr(after, what))
    yield from _of_body(f"{place}.body", before.body if before else None, after.body, after.line)


def _of_key(place: str, before: ObjectRule | None, after: ObjectRule) -> Iterator[PolicyDifference]:
    """Compare what becomes of a key's parts, by their places where both patterns have the same; one unnamed is kept."""
    old, new = (_key_rules(rule) if rule else [] for rule in (before, after))
    is_alike = before is not None and (
        before.pattern.literals == after.pattern.literals or before.pattern.wildcards == after.pattern.wildcards
    )
    was_masked = any(rule.kind != KEEP for rule in old)
    for position, (name, rule) in enumerate(zip(after.pattern.wildcards, new, strict=True)):
        if name or was_masked:
            yield from _of_rule(f"{place}.{name or OTHERS}", old[position] if is_alike else None, rule)


def _key_rules(rule: ObjectRule) -> list[Rule]:
    return [rule.key[name] if name else Rule(KEEP, line=rule.line) for name in rule.pattern.wildcards]


def _of_body(
    place: str, before: OpaqueBody | RecordsBody | None, after: OpaqueBody | RecordsBody, line: int
) -> Iterator[PolicyDifference]:
    old, new = _body(before), _body(after)
    if isinstance(after, OpaqueBody):
        if not isinstance(before, OpaqueBody):
            yield _changed(place, old, new, Effect.LOOSER, after.reason, line)
        return
    if isinstance(before, OpaqueBody):
        yield _changed(place, old, new, Effect.TIGHTER, line=line)
        return
    if before and before.format != after.format:
        yield _changed(f"{place}.format", old, new, Effect.OTHER, line=line)
    yield from _of_paths(place, before.fields if before else (), after.fields)


def _body(body: OpaqueBody | RecordsBody | None) -> str | None:
    if body is None:
        return None
    return "opaque" if isinstance(body, OpaqueBody) else body.format


# --- Rules


def _of_named(place: str, before: Mapping[str, Rule], after: Mapping[str, Rule]) -> Iterator[PolicyDifference]:
    """Compare rules by names, of which `OTHERS` may be all others."""
    for name in sorted(before.keys() | after.keys()):
        old, new = (rules.get(name, rules.get(OTHERS)) for rules in (before, after))
        yield from _of_rule(f"{place}.{name}", old, new)


def _of_paths(place: str, before: Sequence[PathRule], after: Sequence[PathRule]) -> Iterator[PolicyDifference]:
    old, new = (rule_trie(paths) for paths in (before, after))
    for path in dict.fromkeys(each.path for each in (*after, *before)):
        steps = parse_path(path)
        one, other = (_node(root, steps) for root in (old, new))
        yield from _of_rule(f"{place}.{path}", one.rule if one else None, other.rule if other else None)
        if steps[-1] is Step.NAMES:
            one, other = (_node(root, steps[:-1]) for root in (old, new))
            yield from _of_rule(f"{place}.{path}.names", one.renames if one else None, other.renames if other else None)


def _node(root: Node[Rule], path: Path) -> Node[Rule] | None:
    """Return where a path leads by whichever rule."""
    node: Node[Rule] | None = root
    for step in path:
        if node is None:
            return None
        if step is Step.ELEMENTS:
            node = node.elements
        else:
            node = node.names.get(step, node.other) if isinstance(step, str) else node.other
    return node


def _of_rule(place: str, before: Rule | None, after: Rule | None) -> Iterator[PolicyDifference]:
    if (before and before.bare()) == (after and after.bare()):
        return
    effect = _rule_effect(before, after)
    reason, line = (after.reason, after.line) if after else ("", 0)
    yield _changed(place, _rule(before), _rule(after), effect, reason, line)


def _rule(rule: Rule | None) -> str:
    if rule is None:
        return "no rule"
    settings = {name: value for name, value in rule.bare().items() if name != "rule"}
    told = ", ".join(f"{name} {_setting(value)}" for name, value in settings.items())
    return f"{rule.kind} ({told})" if told else rule.kind


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(next(iter(value.values())))
    return " ".join(value) if isinstance(value, list) else str(value)


_SHOWN: Mapping[str, int] = {
    **dict.fromkeys(("drop",), 0),
    **dict.fromkeys(("replace",), 1),
    **dict.fromkeys(("pseudonym", "email", "fake"), 2),
    **dict.fromkeys(("digits", "bucket", "shift", "last"), 3),
    **dict.fromkeys(("redact",), 4),
    **dict.fromkeys(("keep",), 5),
}
"""How much of a value each kind of rules shows: nothing, that there is one, which are equal, a part, most, all."""


def _rule_effect(before: Rule | None, after: Rule | None) -> Effect:
    old, new = (_SHOWN[rule.kind] if rule else 0 for rule in (before, after))
    if old != new:
        return _by_more(old, new)
    if before is None or after is None or before.kind != after.kind:
        return Effect.OTHER
    effects = set(_setting_effects(before, after))
    return next(effect for effect in Effect if effect in {*effects, Effect.OTHER})


def _setting_effects(before: Rule, after: Rule) -> Iterator[Effect]:
    """Yield what each setting's change means, of two rules of one kind."""
    old, new = before.settings, after.settings
    yield _by_members(old.get("allow", ()), new.get("allow", ()))
    match before.kind:
        case "keep":
            yield _by_members(*(RULES["keep"].takes(settings) for settings in (old, new)))
        case "redact":
            yield _by_members(new["detectors"], old["detectors"])
        case "digits":
            yield _by_more(old.get("keep_last", 0), new.get("keep_last", 0))
        case "last":
            yield _by_more(old["characters"], new["characters"])
        case "shift":
            yield _by_more(new["days"], old["days"])
        case "bucket":
            yield _by_more(_width(new["by"]), _width(old["by"]))


def _by_members(before: Collection[str], after: Collection[str]) -> Effect:
    """Tell what it means where each member lets more through."""
    if set(after) - set(before):
        return Effect.LOOSER
    return Effect.TIGHTER if set(before) - set(after) else Effect.OTHER


_HOURS = {"hour": 1, "day": 24, "month": 730, "year": 8760}


def _width(by: str) -> float:
    """Return how wide a bucket is, of dates in hours."""
    return _HOURS.get(by) or float(by)

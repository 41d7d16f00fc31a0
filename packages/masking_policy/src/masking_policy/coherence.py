"""What is wrong with a policy by itself: patterns that tie, namespaces that nobody declares, an ambiguous sample."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from masking_policy.faults import Faults
from masking_policy.near_misses import near_misses
from masking_policy.places import object_place, rules_of
from masking_policy.yaml_parts import suggestion
from replication_core.masking.key_patterns import KeyMatch
from replication_core.masking.paths import Path, Step, parse_path, path_text
from replication_core.masking.policy import (
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    PathRule,
    RecordsBody,
    Rule,
    Sample,
    TableRules,
)
from replication_core.masking.pseudonyms import token
from replication_core.masking.rules import RULES, UNITS
from replication_core.replicas import ADDED_ATTRIBUTES, ADDED_METADATA

__all__ = ["check_coherence"]


def check_coherence(policy: MaskingPolicy, faults: Faults) -> None:
    """Note what contradicts itself in a policy, and what may be meant otherwise."""
    _check_namespaces(policy, faults)
    for place, rule in rules_of(policy):
        if (what := _shows(rule)) and not rule.reason:
            faults.warn(rule.line, place, what, "show less, or add a reason")
    for name, table in policy.tables.items():
        _check_table(f"datasets.{name}", table, policy, faults)
    for name, bucket in policy.buckets.items():
        _check_bucket(name, bucket, policy, faults)


def _check_namespaces(policy: MaskingPolicy, faults: Faults) -> None:
    used: set[str] = set()
    for place, rule in rules_of(policy):
        namespace = rule.settings.get("namespace")
        if namespace is not None and namespace not in policy.namespaces:
            fix = f"add {namespace}: {{}} to the namespaces, or {suggestion(namespace, policy.namespaces)}"
            faults.add(rule.line, place, f"has the namespace {namespace!r}, which is not declared", fix)
        used.add(namespace or "")
    for name in policy.namespaces:
        if name not in used:
            faults.warn(0, f"namespaces.{name}", "is used by no rule", "remove it")


_MOST_SHOWN = 4
"""Characters at a value's end that are no more than is often shown, such as a card's last four."""


def _shows(rule: Rule) -> str:
    """Say of a rule that masks by its name, and shows what it is of; empty for any other."""
    if rule.kind == "bucket" and rule.settings["by"] not in UNITS and float(rule.settings["by"]) <= 1:
        return f"rounds to multiples of {rule.settings['by']}: a whole number stays as it is"
    shown = rule.settings.get("characters", rule.settings.get("keep_last", 0))
    if shown > _MOST_SHOWN:
        return f"shows the last {shown:,}: most of a value that is not much longer"
    return ""


def _check_table(place: str, table: TableRules, policy: MaskingPolicy, faults: Faults) -> None:
    for each in table.attributes:
        path = parse_path(each.path)
        line = each.rules[0].line
        if path[0] in table.key:
            faults.add(line, f"{place}.attributes.{each.path}", "is of the key", "keep its rule under key alone")
        if path[0] in ADDED_ATTRIBUTES:
            what = "is what the replication itself writes, whatever the source has"
            faults.warn(line, f"{place}.attributes.{each.path}", what, "remove it")
    _check_paths(f"{place}.attributes", table.attributes, [(name,) for name in table.key], faults)
    if policy.sample:
        _check_table_sample(place, table, policy.sample, faults)


def _check_bucket(name: str, bucket: BucketRules, policy: MaskingPolicy, faults: Faults) -> None:
    for one, other in bucket.patterns.ties():
        rule, first = bucket.rules[other], bucket.rules[one]
        what = f"and {first.match} of line {first.line} can have the same key, and neither is more specific"
        faults.add(rule.line, object_place(name, rule), what, "change one of them, or write one rule for both")
    folders = {each.text: rule for rule in bucket.rules for each in rule.pattern.segments if not each.names}
    for folder, near in near_misses(sorted(folders), sorted(folders)):
        if folder < near:
            what, fix = f"has {near}, which is almost {folder}", f"write {folder} if it is the same, else leave it"
            faults.warn(folders[near].line, object_place(name, folders[near]), what, fix)
    for number, rule in enumerate(bucket.rules):
        place = object_place(name, rule)
        _check_masked_keys(f"{place}.key", bucket, number, faults)
        for wildcard, ends in rule.unsure():
            what = f"is kept behind a masked part: a key in which it has {ends!r} too is refused"
            part = rule.pattern.wildcards[wildcard] or "*"
            faults.warn(rule.line, f"{place}.key.{part}", what, "part the two by /, or mask it too")
        _check_told(f"{place}.metadata", rule.metadata, faults)
        fields = rule.body.fields if isinstance(rule.body, RecordsBody) else ()
        _check_paths(f"{place}.body", fields, (), faults)
        if policy.sample:
            _check_object_sample(place, rule, policy.sample, faults)


_TRIED = 256
"""Masked keys that are made up for each pattern."""


def _check_masked_keys(place: str, bucket: BucketRules, number: int, faults: Faults) -> None:
    """Note where masked keys have another pattern than their sources' keys, or are not told apart by their own.

    Whatever is kept is not told of here, so that what is found is due to the pseudonyms alone.
    """
    rule = bucket.rules[number]
    prefixes = [
        str(rule.key[name].settings.get("prefix", "")) if name and rule.key[name].kind == "pseudonym" else None
        for name in rule.pattern.wildcards
    ]
    if not any(prefix is not None for prefix in prefixes):
        return
    astray = 0
    for tried in range(_TRIED):
        values = tuple(_KEPT if prefix is None else prefix + _token(tried, at) for at, prefix in enumerate(prefixes))
        astray += bucket.patterns.match(rule.pattern.fill(values)) != KeyMatch(number, values)
    share = f"{astray * 100 // _TRIED or 1} % of the masked keys"
    what = f"makes {share} such that they have another pattern, or other parts: those objects are refused"
    tell = faults.add if astray == _TRIED else faults.warn
    if astray:
        tell(rule.line, place, what, "change the prefix, or what stands beside the placeholder")


def _token(*numbers: int) -> str:
    """Return one of the tokens that pseudonyms are."""
    return token(hashlib.sha256(repr(numbers).encode()).digest()[:16])


_KEPT = "\0"
"""Stands for what is kept: no pattern has it as a literal."""


def _check_told(place: str, rules: Mapping[str, Rule], faults: Faults) -> None:
    for name in sorted(rules.keys() & ADDED_METADATA):
        what = "is what the replication itself writes, whatever the source has"
        faults.warn(rules[name].line, f"{place}.{name}", what, "remove it")


def _check_paths(place: str, paths: Sequence[PathRule], keys: Sequence[Path], faults: Faults) -> None:
    """Note paths that cross, that are almost another one, or that end where they may not."""
    found = {parse_path(each.path): each for each in paths}
    for path, each in found.items():
        longer = any(len(other) > len(path) and other[: len(path)] == path for other in found)
        if path[-1] is Step.NAMES and not each.rule and not longer:
            what = "has no rule for the values"
            faults.add(each.rules[0].line, f"{place}.{each.path}", what, "add `values:`, or paths that go on from it")
    _warn_of_crossing(place, found, faults)
    _warn_of_near_misses(place, [*keys, *found], lambda path: found[path].rules[0].line if path in found else 0, faults)


_MOST_CROSSING = 400
"""Paths that are looked at by pairs."""


def _warn_of_crossing(place: str, found: dict[Path, PathRule], faults: Faults) -> None:
    """Warn of two paths that lead to the same values, each by a name where the other has any."""
    wild = [path for path in found if Step.ANY in path or Step.NAMES in path][:_MOST_CROSSING]
    for one, other in combinations(wild, 2):
        steps = list(zip(one, other, strict=False))
        if len(one) != len(other) or any(isinstance(a, str) and isinstance(b, str) and a != b for a, b in steps):
            continue
        if any((a is Step.ELEMENTS) != (b is Step.ELEMENTS) for a, b in steps):
            continue
        names = [isinstance(a, str) for a, b in steps if isinstance(a, str) != isinstance(b, str)]
        both = tuple(b if isinstance(b, str) else a for a, b in steps)
        if len(set(names)) > 1 and both not in found:
            wins, loses = (one, other) if names[0] else (other, one)
            faults.warn(
                found[loses].rules[0].line,
                f"{place}.{path_text(loses)}",
                f"leads to {path_text(both)} as {path_text(wins)} does, which wins there",
                f"add {path_text(both)} if that is not meant",
            )


def _warn_of_near_misses(place: str, paths: Sequence[Path], line: Callable[[Path], int], faults: Faults) -> None:
    for before, names in _siblings(paths).items():
        for name, other in near_misses(sorted(names), sorted(names)):
            if name < other:
                path = names[other]
                what = f"is almost {path_text((*before, name))}"
                fix = f"mend {other} if it is the same, else leave it"
                faults.warn(line(path), f"{place}.{path_text((*before, other))}", what, fix)


def _siblings(paths: Sequence[Path]) -> dict[Path, dict[str, Path]]:
    """Return by what is before them the names that stand in the same place, each with a path of it."""
    found: dict[Path, dict[str, Path]] = {}
    for path in paths:
        for place, step in enumerate(path):
            if isinstance(step, str):
                found.setdefault(path[:place], {}).setdefault(step, path)
    return found


def _check_table_sample(place: str, table: TableRules, sample: Sample, faults: Faults) -> None:
    of_key = _deciding(table.key.items(), sample)
    _check_sample(place, of_key or _deciding(_of_one_value(table.attributes), sample), sample, faults)


def _check_object_sample(place: str, rule: ObjectRule, sample: Sample, faults: Faults) -> None:
    """Check what decides about an object, and what about each of its records."""
    if of_key := _deciding(rule.key.items(), sample):
        _check_sample(f"{place}.key", of_key, sample, faults)
    if isinstance(rule.body, RecordsBody):
        of_body = _deciding(_of_one_value(rule.body.fields), sample)
        _check_sample(f"{place}.body", of_body or of_key[:1], sample, faults)


def _check_sample(place: str, deciding: Sequence[tuple[str, Rule]], sample: Sample, faults: Faults) -> None:
    """Note where several values of one record could say whether it is of the sample; warn where none does."""
    if len(deciding) > 1:
        what = f"has the sample's namespace in {' and in '.join(name for name, _ in deciding)}, and one has to decide"
        faults.add(deciding[1][1].line, place, what, "give all of them but one another namespace")
    elif not deciding:
        what = f"has no one value of the sample's namespace {sample.namespace}, so all of it travels"
        faults.warn(0, place, what, "mask one by it, if that is not meant")


def _of_one_value(paths: Sequence[PathRule]) -> Iterator[tuple[str, Rule]]:
    for each in paths:
        if each.rule and all(isinstance(step, str) for step in parse_path(each.path)):
            yield each.path, each.rule


def _deciding(rules: Iterable[tuple[str, Rule]], sample: Sample) -> list[tuple[str, Rule]]:
    return [
        (name, rule)
        for name, rule in rules
        if RULES[rule.kind].injective and rule.settings.get("namespace") == sample.namespace
    ]

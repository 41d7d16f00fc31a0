"""What is wrong with a policy for what a source has: its keys, indexes and times to live, and what is made of files."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from masking_policy.faults import Faults
from masking_policy.near_misses import near_misses
from masking_policy.places import object_place
from masking_policy.yaml_parts import suggestion
from record_files.splitting import Format
from replication_core.datasets import Dataset, KeyAttribute
from replication_core.masking.paths import Node, parse_path
from replication_core.masking.policy import (
    DROP,
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    PathRule,
    RecordsBody,
    Rule,
    TableRules,
    rule_trie,
)
from replication_core.masking.rules import RULES

__all__ = ["KnownDataset", "ProcessedFiles", "StoredData", "check_stored"]


@dataclass(frozen=True, kw_only=True)
class KnownDataset:
    """A dataset that a target gets, and what of it besides its key a replica has to fit."""

    dataset: Dataset
    indexes: Mapping[str, Sequence[KeyAttribute]] = field(default_factory=dict)
    """A table's indexes, by their names."""

    time_to_live: str = ""
    """The attribute by whose time DynamoDB deletes items, if there is one."""


@dataclass(frozen=True, kw_only=True)
class ProcessedFiles:
    """Files whose records become items, where the records' fields are what the table's attributes are."""

    bucket: str
    prefix: str
    """What the keys of such files begin with."""

    table: str
    types: Mapping[str, str]
    """By the names of the declared fields, DynamoDB's type of what their texts stand for; empty for any."""

    required: Collection[str] = ()
    written: Collection[str] = ()
    """What the keys begin with of the objects that the processor writes."""


@dataclass(frozen=True, kw_only=True)
class StoredData:
    """What a source has, of which a target gets a part."""

    datasets: Sequence[KnownDataset]
    files: ProcessedFiles | None = None


def check_stored(policy: MaskingPolicy, stored: StoredData, faults: Faults) -> None:
    """Note what of the stored data a policy can't mask, or would mask to what no store takes."""
    known = {each.dataset.name: each for each in stored.datasets}
    named = {*policy.tables, *policy.buckets}
    for name in sorted(named - known.keys()):
        faults.warn(0, f"datasets.{name}", "is no dataset that a target gets", suggestion(name, known))
    for name, each in known.items():
        if name not in named:
            fix = "add rules for it, or leave it out of the target's datasets"
            faults.add(0, f"datasets.{name}", "is missing, and a target gets it: each of its records is refused", fix)
        elif each.dataset.is_bucket != (name in policy.buckets):
            form = "a list of rules with `match:`" if each.dataset.is_bucket else "a mapping with `key:`"
            faults.add(0, f"datasets.{name}", f"is a {each.dataset.kind}", f"write {form}")
        elif not each.dataset.is_bucket:
            _check_table(f"datasets.{name}", policy.tables[name], each, policy, faults)
    if stored.files:
        bucket = policy.buckets.get(stored.files.bucket) if stored.files.bucket in known else None
        table = policy.tables.get(stored.files.table) if stored.files.table in known else None
        _check_files(bucket, stored.files, table, policy.unclassified, faults)


# --- Tables


def _check_table(place: str, table: TableRules, known: KnownDataset, policy: MaskingPolicy, faults: Faults) -> None:
    types = {each.name: each.type.value for each in known.dataset.key}
    for name in types.keys() - table.key.keys():
        faults.add(_line(table), f"{place}.key", f"has no rule for {name}", f"add `{name}: keep`, or a pseudonym")
    for name in table.key.keys() - types.keys():
        what = f"is no attribute of the key, which is {' and '.join(types)}"
        faults.add(table.key[name].line, f"{place}.key.{name}", what, "move it to attributes")
    for name, rule in table.key.items():
        if name in types:
            _check_type(f"{place}.key.{name}", rule, types[name], faults)
    for index, keys in known.indexes.items():
        for each in keys:
            if each.name not in types:
                _check_index(place, f"index {index}", each, table, policy, faults)
    if known.time_to_live and known.time_to_live not in types:
        _check_time_to_live(place, known.time_to_live, table, policy, faults)
    _warn_of_near_misses(f"{place}.attributes", table.attributes, _told_names(known), faults)


def _told_names(known: KnownDataset) -> set[str]:
    of_indexes = {each.name for keys in known.indexes.values() for each in keys}
    return {*known.dataset.attribute_names, *of_indexes, known.time_to_live} - {""}


def _check_type(place: str, rule: Rule, type_: str, faults: Faults) -> None:
    takes = RULES[rule.kind].takes(rule.settings)
    if type_ not in takes:
        fix = f"write a rule that takes {type_}"
        faults.add(rule.line, place, f"is {type_}, and its rule takes {', '.join(sorted(takes))}", fix)
    elif type_ != "S" and rule.settings.get("prefix"):
        faults.add(rule.line, place, f"has a prefix, and {type_} takes none", "remove the prefix")


def _check_index(
    place: str, index: str, attribute: KeyAttribute, table: TableRules, policy: MaskingPolicy, faults: Faults
) -> None:
    """Note what would leave an item out of an index, or make DynamoDB refuse it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html: a key's type, and items without the key;
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html: empty values
    """
    if attribute.name in _SET_BY_REPLICATION:
        return
    place = f"{place}.attributes.{attribute.name}"
    rule = _rule_at(rule_trie(table.attributes), attribute.name)
    if rule is None:
        consequence = "each item that has it is refused" if policy.unclassified != DROP else "no item is found by it"
        fix = f"add `{attribute.name}: keep`, or a pseudonym"
        tell = faults.warn if policy.unclassified == DROP else faults.add
        tell(_line(table), place, f"is of the {index} and has no rule, so that {consequence}", fix)
    elif rule.kind == DROP:
        what = f"is of the {index}, which finds no item without it"
        faults.warn(rule.line, place, what, "mask it otherwise if it is looked for")
    elif rule.settings.get("value") == {"S": ""}:
        faults.add(rule.line, place, f"is of the {index}, which takes no empty text", "replace it by another text")
    else:
        _check_type(place, rule, attribute.type.value, faults)


_SET_BY_REPLICATION = {"environment"}
"""The attribute of every replica that the replication sets, and by which an index may find it."""

_TIME_RULES = ("keep", "shift", "bucket", DROP)


def _check_time_to_live(place: str, name: str, table: TableRules, policy: MaskingPolicy, faults: Faults) -> None:
    place = f"{place}.attributes.{name}"
    rule = _rule_at(rule_trie(table.attributes), name)
    if rule is None and policy.unclassified != DROP:
        what = "is the time to live and has no rule: each item that has it is refused"
        faults.add(_line(table), place, what, f"write one of {', '.join(_TIME_RULES)}")
    elif rule and rule.kind not in _TIME_RULES:
        what = f"is the time to live, and by the rule {rule.kind!r} items go at once, or never"
        faults.add(rule.line, place, what, f"write one of {', '.join(_TIME_RULES)}")
    elif rule and rule.kind != DROP:
        _check_type(place, rule, "N", faults)


def _line(table: TableRules) -> int:
    return min((rule.line for rule in table.key.values()), default=0)


def _rule_at(root: Node[Rule], name: str) -> Rule | None:
    node = root.names.get(name, root.other)
    return node.rule if node else None


def _warn_of_near_misses(place: str, paths: Sequence[PathRule], told: set[str], faults: Faults) -> None:
    lines = {str(parse_path(each.path)[0]): each.rules[0].line for each in paths}
    for name, other in near_misses(sorted(lines.keys() - told), sorted(told - lines.keys())):
        what = f"is almost {other}, which has no rule"
        faults.warn(lines[name], f"{place}.{name}", what, f"write {other} if it is meant")


# --- Files whose records become items


def _check_files(
    bucket: BucketRules | None, files: ProcessedFiles, table: TableRules | None, unclassified: str, faults: Faults
) -> None:
    if table and unclassified != DROP:
        place, root = f"datasets.{files.table}.attributes", rule_trie(table.attributes)
        for name in sorted(files.types.keys() - table.key.keys()):
            if _rule_at(root, name) is None:
                faults.warn(_line(table), place, *_uncovered(name))
    if bucket is None:
        return
    for prefix in (files.prefix, *files.written):
        if not any(rule.pattern.may_begin_with(prefix) for rule in bucket.rules):
            what = f"has no rule for keys that begin with {prefix}, which the processor reads or writes"
            faults.warn(0, f"datasets.{files.bucket}", what, f"add one, such as `match: {prefix}**`")
    for rule in bucket.rules:
        if rule.pattern.text.startswith(files.prefix) and isinstance(rule.body, RecordsBody):
            place = f"{object_place(files.bucket, rule)}.body"
            _check_fields(place, rule, rule.body, files, unclassified, faults)
            if table:
                _warn_of_other_items(place, rule.body, table, faults)


def _uncovered(name: str) -> tuple[str, str]:
    what = f"has no rule for {name}, which the processor's schema declares: a record that has it is refused"
    return what, f"add a rule for {name}"


def _check_fields(
    place: str, rule: ObjectRule, body: RecordsBody, files: ProcessedFiles, unclassified: str, faults: Faults
) -> None:
    root = rule_trie(body.fields)
    for name, type_ in files.types.items():
        found = _rule_at(root, name)
        if name in files.required and (found is None or found.kind == DROP):
            what = f"has no {name}, without which the processor rejects a record"
            faults.add(found.line if found else rule.line, place, what, f"add a rule for {name}")
        elif found is None and unclassified != DROP:
            faults.warn(rule.line, place, *_uncovered(name))
        elif found and found.kind not in {"keep", DROP} and type_:
            _check_field(f"{place}.{name}", found, type_, body.format, faults)
    _warn_of_near_misses(place, body.fields, set(files.types), faults)


def _check_field(place: str, rule: Rule, type_: str, format_: str, faults: Faults) -> None:
    """Note where a text that stands for another type is masked as a text: the masked file would make no items."""
    written = str(rule.settings.get("type", "S"))
    has_own_type = format_ != Format.CSV and type_ in {"N", "BOOL"}  # which JSON tells
    if type_ not in RULES[rule.kind].takes(rule.settings):
        what = f"is {type_} by the processor's schema, which the rule {rule.kind!r} does not take"
        faults.add(rule.line, place, what, "write keep, drop, or a rule that does")
    elif not has_own_type and written != type_:
        what = f"is {type_} by the processor's schema, and is masked as {written}"
        faults.add(rule.line, place, what, f"add `type: {type_}` beside {rule.kind}")


def _warn_of_other_items(place: str, body: RecordsBody, table: TableRules, faults: Faults) -> None:
    """Warn where a field becomes an attribute that the table's own rule masks otherwise."""
    attributes = rule_trie(table.attributes)
    for path, rule in _top_level(body.fields):
        other = table.key.get(path) or _rule_at(attributes, path)
        if other and _makes(other) != _makes(rule):
            what = f"is masked by {rule.kind!r}, and the item's attribute otherwise, in line {other.line}"
            fix = "write the same rule, if the items that are made of the file are to be those that are replicated"
            faults.warn(rule.line, f"{place}.{path}", what, fix)


def _top_level(paths: Sequence[PathRule]) -> Iterator[tuple[str, Rule]]:
    for each in paths:
        path = parse_path(each.path)
        if len(path) == 1 and isinstance(path[0], str) and each.rule:
            yield path[0], each.rule


def _makes(rule: Rule) -> dict[str, object]:
    """Return what a rule makes of a value that it takes: not which it takes."""
    return {name: value for name, value in rule.bare().items() if name not in {"type", "types", "allow"}}

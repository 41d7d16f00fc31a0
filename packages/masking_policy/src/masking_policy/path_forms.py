"""The rules of paths as people write them."""

from masking_policy.rule_forms import read_rule, require_reason
from masking_policy.yaml_parts import YamlPart
from replication_core.masking.paths import Path, PathError, Step, contradictions, parse_path, path_text, trie
from replication_core.masking.policy import PathRule
from replication_core.masking.rules import RULES

__all__ = ["read_attributes", "read_columns", "read_fields", "told"]


def read_attributes(part: YamlPart) -> tuple[PathRule, ...]:
    """Return the rules of an item's attributes; notes two that contradict each other."""
    return _path_rules(part, of_text=False)


def read_fields(part: YamlPart) -> tuple[PathRule, ...]:
    """Return the rules of a JSON record's fields, a text of which may stand for another type."""
    return _path_rules(part, of_text=True)


def read_columns(part: YamlPart) -> tuple[PathRule, ...]:
    """Return the rules of a CSV file's columns: paths of one name, or of any."""
    for name, each in part.entries().items():
        path = _path(each, name)
        if path and (len(path) > 1 or path[0] is Step.NAMES):
            each.fault("is a path, and a column has a name alone", f"quote its name, {path_text((name,))!r}")
    return _path_rules(part, of_text=True)


def _path_rules(part: YamlPart, *, of_text: bool) -> tuple[PathRule, ...]:
    read = [(each, _path_rule(each, name, of_text=of_text)) for name, each in part.entries().items()]
    found = [(each, rule) for each, rule in read if rule]
    wrong = dict(contradictions([rule.placed() for _, rule in found]))
    for place, what in wrong.items():
        found[place][0].fault(what, "keep one of them, and give each {} a rule for its names")
    rules = tuple(rule for place, (_, rule) in enumerate(found) if place not in wrong)
    try:
        trie([rule.placed() for rule in rules])
    except PathError as error:
        part.fault(*told(error, "write fewer of them"))
        return ()
    return rules


def _path(part: YamlPart, written: str) -> Path | None:
    try:
        return parse_path(written)
    except PathError as error:
        part.fault(*told(error, "write it as a.b, a.*, a[], a{} or 'a.b'"))
    return None


def told(error: Exception, fix: str) -> tuple[str, str]:
    """Return what an error says is wrong, and what it says to write instead, or else the fix."""
    what, _, better = str(error).partition(": ")
    return what, better or fix


def _path_rule(part: YamlPart, written: str, *, of_text: bool) -> PathRule | None:
    path = _path(part, written)
    if path is None:
        return None
    if path[-1] is Step.NAMES:
        return _map_rule(part, path, of_text=of_text)
    rule = read_rule(part, of_text=of_text)
    if rule is None:
        return None
    if path == (Step.ANY,) and rule.kind == "keep":
        part.fault("keeps whatever nobody has looked at", "name what is kept, and drop the others")
        return None
    if path[-1] is Step.ANY:
        require_reason(part, rule, "names that nobody has looked at")
    return PathRule(path_text(path), rule)


def _map_rule(part: YamlPart, path: Path, *, of_text: bool) -> PathRule | None:
    """Return the rules of a map whose names are data: they may be told apart by, so none may get another's place."""
    if not part.is_mapping or "names" not in (entries := part.entries()):
        part.fault("has no rule for the names", "write {names: {pseudonym: namespace}, values: keep}")
        return None
    entries = part.fields(("names", "values"))
    names = read_rule(entries["names"])
    rule = read_rule(entries["values"], of_text=of_text) if "values" in entries else None
    if names and (not RULES[names.kind].injective or "S" not in RULES[names.kind].takes(names.settings)):
        entries["names"].fault(
            f"has the rule {names.kind!r}, by which two names may become the same one",
            "write keep or {pseudonym: namespace}",
        )
        return None
    return PathRule(path_text(path), rule, names) if names else None

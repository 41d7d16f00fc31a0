"""A rule as people write it: a kind's name, or a mapping of it to its settings, with some of them beside it."""

from collections.abc import Mapping
from typing import Any

from masking_policy.yaml_parts import YamlPart, suggestion
from replication_core.masking.policy import Rule
from replication_core.masking.rules import RULES

__all__ = ["FORMS", "read_key_rules", "read_named_rules", "read_rule", "require_reason"]

FORMS: Mapping[str, str] = {
    "keep": "keep, or {keep: {type: N, reason: why}}",
    "drop": "drop",
    "replace": '{replace: "[removed]"}',
    "pseudonym": "{pseudonym: namespace, prefix: c_}",
    "email": "{email: namespace}",
    "digits": "{digits: {keep_last: 3}}",
    "fake": "{fake: names}",
    "bucket": "{bucket: year}, or {bucket: 10}",
    "shift": "{shift: {namespace: visits, days: 365}}",
    "last": "{last: 4}",
    "redact": "{redact: [email, card]}",
}
"""By the kinds of rules, what a policy writes for one."""

_LISTS = {"types", "allow", "detectors"}
"""Settings that are lists, and may be written as one text."""

_TYPE = "type"
_REASON = "reason"
"""May stand beside every rule, for whoever reads what a change loosens."""


def read_rule(part: YamlPart, *, of_text: bool = False) -> Rule | None:
    """Return the rule that a part of a file is; None, with the fault noted, where it is none.

    `of_text` tells that `type` may stand beside it: what a CSV file's cell, or a text in JSON, stands for.
    """
    kind, value, beside = _kind(part)
    if not kind:
        return None
    settings = {} if value is None else _settings(kind, value)
    reason = (
        {_REASON: beside.pop(_REASON).reason()} if _REASON in beside and _REASON not in RULES[kind].settings else {}
    )
    settings |= {name: _setting(kind, name, each) for name, each in beside.items() if name != _TYPE}
    if what := _wrong(kind, settings):
        part.fault(f"is a rule {kind!r} that {what}", f"write {FORMS[kind]}")
        return None
    if type_ := _text_type(kind, settings, beside.get(_TYPE), of_text=of_text):
        settings[_TYPE] = type_
    return Rule(kind, settings | reason, part.line)


def read_key_rules(part: YamlPart) -> dict[str, Rule]:
    """Return the rules of a key's parts: two records must never get the same one."""
    rules = read_named_rules(part)
    for name, each in part.entries().items():
        if name in rules and rules[name].kind not in {"keep", "pseudonym"}:
            each.fault(
                f"is of a key and has the rule {rules[name].kind!r}, by which two records may get the same key",
                "write keep or {pseudonym: namespace}",
            )
    return rules


def read_named_rules(part: YamlPart) -> dict[str, Rule]:
    """Return the rules that stand below names."""
    read = {name: read_rule(each) for name, each in part.entries().items()}
    return {name: rule for name, rule in read.items() if rule}


def require_reason(part: YamlPart, rule: Rule, what: str) -> None:
    """Note a rule that keeps what it is to have a reason for."""
    if rule.kind == "keep" and not rule.reason:
        part.fault(f"keeps {what} without a reason", "write {keep: {reason: why}}, or drop")


def _kind(part: YamlPart) -> tuple[str, YamlPart | None, dict[str, YamlPart]]:
    """Return the name of a rule's kind, what it is set to, and what else is set; no name where it has none."""
    if not part.is_mapping:
        written = part.text()
        if written and written not in RULES:
            part.fault(f"has the rule {written!r}, which is none", _meant(written))
        return (written if written in RULES else ""), None, {}
    entries = part.entries()
    kinds = [name for name in entries if name in RULES]
    if len(kinds) == 1:
        return kinds[0], entries.pop(kinds[0]), entries
    if kinds:
        part.fault(f"has the rules {' and '.join(kinds)}", "keep one of them")
    else:
        written = next(iter(entries), "")
        part.fault(f"has the rule {written!r}, which is none" if written else "has no rule", _meant(written))
    return "", None, {}


def _meant(written: str) -> str:
    return suggestion(written, RULES) if written else f"write one of {', '.join(RULES)}"


def _settings(kind: str, value: YamlPart) -> dict[str, Any]:
    if value.is_mapping:
        return {_spelled(kind, name): _setting(kind, name, each) for name, each in value.entries().items()}
    main = RULES[kind].main
    if value.is_null or not main:
        value.fault("has a value that it takes none of" if not value.is_null else "is empty", f"write {FORMS[kind]}")
        return {}
    return {main: _setting(kind, main, value)}


def _spelled(kind: str, name: str) -> str:
    return "types" if (kind, name) == ("keep", _TYPE) else name


def _setting(kind: str, name: str, part: YamlPart) -> Any:
    """Return a setting as the compiled policy has it."""
    if name == "value":
        return part.constant()
    value = part.plain()
    if _spelled(kind, name) in _LISTS and not isinstance(value, list):
        return [value]
    return str(value) if name == "by" else value


def _wrong(kind: str, settings: Mapping[str, Any]) -> str:
    try:
        return RULES[kind].wrong(settings)
    except TypeError:  # a list within a list, which no setting is
        return "has a setting that is none"


def _text_type(kind: str, settings: Mapping[str, Any], written: YamlPart | None, *, of_text: bool) -> str:
    """Return what a text stands for that a rule masks: what is written beside it, or the one type that it takes."""
    takes = sorted(RULES[kind].takes(settings) & {"S", "N", "B", "BOOL"})
    if written is None:
        return takes[0] if of_text and len(takes) == 1 and takes != ["S"] else ""
    if not of_text:
        written.fault("is for the columns and fields of bodies", "remove it: an attribute's type is its own")
    elif kind in {"keep", "drop"}:
        written.fault(f"says nothing beside {kind}", "remove it, or write {keep: {type: ...}}")
    else:
        return written.one_of(takes)
    return ""

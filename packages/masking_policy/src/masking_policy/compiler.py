"""From a policy's file to the compiled policy: what stands where, and all that is wrong with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from masking_policy.coherence import check_coherence
from masking_policy.conditions import ON_ATTRIBUTES, ON_TAGS, read_conditions
from masking_policy.faults import Fault, Faults, PolicyFileError
from masking_policy.rule_forms import read_rule
from masking_policy.stored import StoredData, check_stored
from masking_policy.yaml_parts import YamlPart, read_yaml, suggestion
from record_files.splitting import Format
from replication_core.masking.key_patterns import KeyPattern, KeyPatternError
from replication_core.masking.paths import Path, PathError, Step, contradictions, parse_path, path_text, trie
from replication_core.masking.policy import (
    DROP,
    OTHERS,
    VERSION,
    Brake,
    BucketRules,
    MaskingPolicy,
    ObjectRule,
    OpaqueBody,
    PathRule,
    RecordsBody,
    Rule,
    Sample,
    TableRules,
)
from replication_core.masking.rules import RULES

__all__ = ["CheckedPolicy", "compile_policy"]

_MOST = 10**9


@dataclass(frozen=True, slots=True)
class CheckedPolicy:
    """A policy that nothing is wrong with, and what in its file may be meant otherwise."""

    policy: MaskingPolicy
    warnings: tuple[Fault, ...] = ()


def compile_policy(text: str | bytes, file: str, stored: StoredData | None = None) -> CheckedPolicy:
    """Return what a policy's file says; `file` is what its faults call it.

    Against what is `stored` it is checked where that is given. Raises PolicyFileError with all that is wrong.
    """
    faults = Faults(file)
    part = read_yaml(text, faults)
    policy = _policy(part) if part else None
    if policy:
        check_coherence(policy, faults)
        if stored:
            check_stored(policy, stored, faults)
    if faults.errors or policy is None:
        raise PolicyFileError(faults.errors)
    return CheckedPolicy(policy, faults.warnings)


def _policy(part: YamlPart) -> MaskingPolicy:
    known = ("version", "generation", "unclassified", "namespaces", "datasets", "sample", "brake")
    fields = part.fields(known, required=("version", "datasets"))
    if "version" in fields:
        fields["version"].whole(VERSION, VERSION)
    tables: dict[str, TableRules] = {}
    buckets: dict[str, BucketRules] = {}
    for name, each in fields["datasets"].entries().items() if "datasets" in fields else ():
        if each.is_list or (each.is_mapping and "rules" in each.entries()):
            buckets[name] = _bucket(each)
        else:
            tables[name] = _table(each)
    namespaces = _namespaces(fields.get("namespaces"))
    return MaskingPolicy(
        generation=fields["generation"].whole(1, _MOST) if "generation" in fields else 1,
        unclassified=_unclassified(fields.get("unclassified")),
        namespaces=namespaces,
        tables=tables,
        buckets=buckets,
        sample=_sample(fields["sample"], namespaces) if "sample" in fields else None,
        brake=_brake(fields["brake"]) if "brake" in fields else None,
    )


def _unclassified(part: YamlPart | None) -> str:
    if part and part.text() == "keep":
        part.fault("is keep, by which what nobody has looked at would travel", f"write refuse, or {DROP}")
        return "refuse"
    return part.one_of(("refuse", DROP), "refuse") if part else "refuse"


def _namespaces(part: YamlPart | None) -> tuple[str, ...]:
    if part is None:
        return ()
    for name, each in (entries := part.entries()).items():
        if not name or name.startswith("~"):
            each.fault("has a name that is none, or reserved", "write a letter first")
        if not each.is_null:
            each.fields(())
    return tuple(entries)


def _sample(part: YamlPart, namespaces: Collection[str]) -> Sample | None:
    fields = part.fields(("namespace", "percent"), required=("namespace", "percent"))
    if len(fields) < 2:  # noqa: PLR2004 - noted
        return None
    if (namespace := fields["namespace"].text()) not in namespaces:
        fields["namespace"].fault(f"is {namespace!r}, which is not declared", suggestion(namespace, namespaces))
    return Sample(namespace, fields["percent"].whole(1, 100))


def _brake(part: YamlPart) -> Brake | None:
    fields = part.fields(("deletes", "share", "minutes"), required=("minutes",))
    if not {"deletes", "share"} & fields.keys():
        part.fault("has neither deletes nor share", "add `deletes: 1000`, `share: 20` (per cent), or both")
    if "minutes" not in fields:
        return None
    return Brake(
        deletes=fields["deletes"].whole(1, _MOST) if "deletes" in fields else None,
        share=fields["share"].whole(1, 100) if "share" in fields else None,
        minutes=fields["minutes"].whole(1, 24 * 60),
    )


def _table(part: YamlPart) -> TableRules:
    fields = part.fields(("key", "attributes", "where", "deletes"), required=("key",))
    key = _key_rules(fields["key"]) if "key" in fields else {}
    if "key" in fields and not fields["key"].entries():
        fields["key"].fault("is empty", "write a rule for each attribute of the table's key")
    return TableRules(
        key=key,
        attributes=_path_rules(fields["attributes"]) if "attributes" in fields else (),
        where=read_conditions(fields["where"], ON_ATTRIBUTES) if "where" in fields else (),
        deletes=_deletes(fields),
    )


def _bucket(part: YamlPart) -> BucketRules:
    fields = {"rules": part} if part.is_list else part.fields(("rules", "tags", "deletes"), required=("rules",))
    rules = [_object_rule(each) for each in fields["rules"].parts()]
    return BucketRules(
        rules=tuple(rule for rule in rules if rule),
        tags=read_conditions(fields["tags"], ON_TAGS) if "tags" in fields else (),
        deletes=_deletes(fields),
    )


def _deletes(fields: Mapping[str, YamlPart]) -> str:
    return fields["deletes"].one_of(("mirror", "keep"), "mirror") if "deletes" in fields else "mirror"


def _key_rules(part: YamlPart) -> dict[str, Rule]:
    """Return the rules of a key's parts: two records must never get the same one."""
    rules = _named(part)
    for name, each in part.entries().items():
        if name in rules and rules[name].kind not in {"keep", "pseudonym"}:
            each.fault(
                f"is of a key and has the rule {rules[name].kind!r}, by which two records may get the same key",
                "write keep or {pseudonym: namespace}",
            )
    return rules


def _named(part: YamlPart) -> dict[str, Rule]:
    read = {name: read_rule(each) for name, each in part.entries().items()}
    return {name: rule for name, rule in read.items() if rule}


def _told_rules(part: YamlPart | None, known: Collection[str] = ()) -> dict[str, Rule]:
    """Return the rules of headers, metadata or tags, by their names or for all others."""
    if part is None:
        return {}
    rules = _named(part)
    for name, each in part.entries().items():
        if known and name not in known:
            each.fault("is no header that is replicated by a rule", f"write one of {', '.join(known)}")
        rule = rules.get(name)
        if rule and rule.kind != DROP and "S" not in RULES[rule.kind].takes(rule.settings):
            each.fault(f"is a text, and the rule {rule.kind!r} takes none", "write a rule that takes texts")
        if rule and name == OTHERS:
            _require_reason(each, rule, "names that nobody has looked at")
    return rules


def _require_reason(part: YamlPart, rule: Rule, what: str) -> None:
    if rule.kind == "keep" and not rule.reason:
        part.fault(f"keeps {what} without a reason", "write {keep: {reason: why}}, or drop")


_HEADERS = ("CacheControl", "ContentDisposition", "ContentLanguage", "Expires", "WebsiteRedirectLocation", OTHERS)
"""The headers that need a rule: the content's type and encoding are kept."""


def _object_rule(part: YamlPart) -> ObjectRule | None:
    known = ("match", "key", "body", "headers", "metadata", "tags")
    fields = part.fields(known, required=("match", "body"))
    pattern = _pattern(fields["match"]) if "match" in fields else None
    key = _key_rules(fields["key"]) if "key" in fields else {}
    body = _body(fields["body"]) if "body" in fields else None
    headers = _told_rules(fields.get("headers"), _HEADERS)
    metadata, tags = _told_rules(fields.get("metadata")), _told_rules(fields.get("tags"))
    _check_metadata_names(fields.get("metadata"))
    if not pattern or not body:
        return None
    placeholders = {name for name in pattern.wildcards if name}
    written = fields["key"].entries() if "key" in fields else {}
    for name in sorted(placeholders - written.keys()):
        part.fault(f"has no rule for {{{name}}} of its match", f"add `key: {{{name}: keep}}`, or a pseudonym")
    for name in sorted(written.keys() - placeholders):
        written[name].fault("is no placeholder of the match", f"write {{{name}}} there, or remove it here")
    rules = {name: key.get(name, Rule("keep")) for name in pattern.wildcards if name}
    return ObjectRule(
        match=pattern.text, line=part.line, key=rules, body=body, headers=headers, metadata=metadata, tags=tags
    )


def _check_metadata_names(part: YamlPart | None) -> None:
    for name, each in part.entries().items() if part else ():
        if name != name.lower():
            each.fault("has capitals, and S3 keeps the names of metadata without", f"write {name.lower()}")


def _pattern(part: YamlPart) -> KeyPattern | None:
    try:
        return KeyPattern(part.text())
    except KeyPatternError as error:
        part.fault(*_told(error, "write a pattern such as a/{name}.csv"))
    return None


def _body(part: YamlPart) -> OpaqueBody | RecordsBody | None:
    entries = part.fields(("opaque", "format", "columns", "fields"))
    if "opaque" in entries:
        opaque = entries["opaque"].fields(("reason",), required=("reason",))
        for name in entries.keys() - {"opaque"}:
            entries[name].fault("stands beside opaque, whose bytes travel as they are", "remove one of them")
        return OpaqueBody(opaque["reason"].text()) if "reason" in opaque else None
    formats = [each.value for each in Format]
    if "format" not in entries:
        part.fault("says neither format nor opaque", f"write format: {formats[0]}, or opaque: {{reason: why}}")
        return None
    format_ = entries["format"].one_of(formats)
    if not format_:
        return None
    own, other = ("columns", "fields") if format_ == Format.CSV else ("fields", "columns")
    if other in entries:
        entries[other].fault(f"is of another format than {format_}", f"write {own}")
    elif own not in entries:
        part.fault(f"has no {own}", f"add `{own}:` with a rule for each")
    rules = _path_rules(entries[own], of_text=True) if own in entries else ()
    if format_ == Format.CSV:
        _require_columns(entries.get(own))
    return RecordsBody(format_, rules)


def _require_columns(part: YamlPart | None) -> None:
    for name, each in part.entries().items() if part else ():
        path = _path(each, name, quietly=True)
        if path and (len(path) > 1 or path[0] is Step.NAMES):
            each.fault("is a path, and a column has a name alone", f"quote its name, {path_text((name,))!r}")


def _path(part: YamlPart, written: str, *, quietly: bool = False) -> Path | None:
    try:
        return parse_path(written)
    except PathError as error:
        if not quietly:
            part.fault(*_told(error, "write it as a.b, a.*, a[], a{} or 'a.b'"))
    return None


def _told(error: Exception, fix: str) -> tuple[str, str]:
    what, _, better = str(error).partition(": ")
    return what, better or fix


def _path_rules(part: YamlPart, *, of_text: bool = False) -> tuple[PathRule, ...]:
    """Return the rules of paths; notes two that contradict each other."""
    read = [(each, _path_rule(each, name, of_text=of_text)) for name, each in part.entries().items()]
    found = [(each, rule) for each, rule in read if rule]
    wrong = dict(contradictions([rule.placed() for _, rule in found]))
    for place, what in wrong.items():
        found[place][0].fault(what, "keep one of them, and give each {} a rule for its names")
    rules = tuple(rule for place, (_, rule) in enumerate(found) if place not in wrong)
    try:
        trie([rule.placed() for rule in rules])
    except PathError as error:
        part.fault(*_told(error, "write fewer of them"))
        return ()
    return rules


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
        _require_reason(part, rule, "names that nobody has looked at")
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

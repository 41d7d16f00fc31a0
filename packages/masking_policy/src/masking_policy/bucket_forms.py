"""A bucket's rules as people write them: each of the keys of one pattern."""

from collections.abc import Collection

from masking_policy.conditions import ON_TAGS, read_conditions, read_deletes
from masking_policy.path_forms import read_columns, read_fields, told
from masking_policy.rule_forms import read_key_rules, read_named_rules, require_reason
from masking_policy.yaml_parts import YamlPart
from record_files.splitting import Format
from replication_core.masking.key_patterns import KeyPattern, KeyPatternError
from replication_core.masking.policy import DROP, OTHERS, BucketRules, ObjectRule, OpaqueBody, RecordsBody, Rule
from replication_core.masking.rules import RULES

__all__ = ["read_bucket"]


def read_bucket(part: YamlPart) -> BucketRules:
    """Return a bucket's rules, of their list alone or of a mapping that has more."""
    fields = {"rules": part} if part.is_list else part.fields(("rules", "tags", "deletes"), required=("rules",))
    rules = [_object_rule(each) for each in fields["rules"].parts()]
    return BucketRules(
        rules=tuple(rule for rule in rules if rule),
        tags=read_conditions(fields["tags"], ON_TAGS) if "tags" in fields else (),
        deletes=read_deletes(fields.get("deletes")),
    )


_HEADERS = ("CacheControl", "ContentDisposition", "ContentLanguage", "Expires", "WebsiteRedirectLocation", OTHERS)
"""The headers that need a rule: the content's type and encoding are kept."""


def _object_rule(part: YamlPart) -> ObjectRule | None:
    known = ("match", "key", "body", "headers", "metadata", "tags")
    fields = part.fields(known, required=("match", "body"))
    pattern = _pattern(fields["match"]) if "match" in fields else None
    key = read_key_rules(fields["key"]) if "key" in fields else {}
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
        part.fault(*told(error, "write a pattern such as a/{name}.csv"))
    return None


def _body(part: YamlPart) -> OpaqueBody | RecordsBody | None:
    entries = part.fields(("opaque", "format", "columns", "fields"))
    if "opaque" in entries:
        opaque = entries["opaque"].fields(("reason",), required=("reason",))
        for name in entries.keys() - {"opaque"}:
            entries[name].fault("stands beside opaque, whose bytes travel as they are", "remove one of them")
        return OpaqueBody(opaque["reason"].reason()) if "reason" in opaque else None
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
    if own not in entries:
        return RecordsBody(format_, ())
    is_csv = format_ == Format.CSV
    return RecordsBody(format_, (read_columns if is_csv else read_fields)(entries[own]))


def _told_rules(part: YamlPart | None, known: Collection[str] = ()) -> dict[str, Rule]:
    """Return the rules of headers, metadata or tags, by their names or for all others."""
    if part is None:
        return {}
    rules = read_named_rules(part)
    for name, each in part.entries().items():
        if known and name not in known:
            each.fault("is no header that is replicated by a rule", f"write one of {', '.join(known)}")
        rule = rules.get(name)
        if rule and rule.kind != DROP and "S" not in RULES[rule.kind].takes(rule.settings):
            each.fault(f"is a text, and the rule {rule.kind!r} takes none", "write a rule that takes texts")
        if rule and name == OTHERS:
            require_reason(each, rule, "names that nobody has looked at")
    return rules

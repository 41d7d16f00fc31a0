"""A route's policy as it is compiled: what of its records travels, and by which rule each value does.

It is part of a `RouteSpec`'s document, so of a function's archive and of the contract. `masking_policy` makes it of the
YAML file that people write, and has refused there all that is contradictory; what is read here is taken as it says.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from replication_core.masking.key_patterns import KeyPattern, KeyPatternError, KeyPatterns
from replication_core.masking.paths import Node, PathError, Placed, parse_path, trie

__all__ = [
    "DROP",
    "KEEP",
    "KEPT_HEADERS",
    "OTHERS",
    "VERSION",
    "Brake",
    "BucketRules",
    "Condition",
    "MaskingPolicy",
    "ObjectRule",
    "OpaqueBody",
    "PathRule",
    "PolicyError",
    "RecordsBody",
    "Rule",
    "Sample",
    "TableRules",
    "rule_trie",
]

VERSION = 1
"""Of the document, and of what its rules make of a value: the algorithms."""

KEEP = "keep"
"""The kind of the rule that leaves a value as it is, and what a dataset's `deletes` may be."""

DROP = "drop"
"""The kind of the one rule that covers all that is below its path."""

OTHERS = "*"
"""Stands for every header, metadata or tag that has no rule by its name."""

KEPT_HEADERS = ("ContentType", "ContentEncoding")
"""The headers of an object that need no rule."""

_FINGERPRINT_CHARACTERS = 24


class PolicyError(ValueError):
    """A document that is no compiled policy; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a value."""

    kind: str
    """A name of `rules.RULES`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its kind's settings; a constant among them as DynamoDB's JSON has it, such as `{"N": "1"}`."""

    line: int = 0
    """Of the file that people wrote, from 1."""

    @property
    def reason(self) -> str:
        """Why it may be so, in the words of who wrote it."""
        return str(self.settings.get("reason", ""))

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        return {"rule": self.kind, "line": self.line, **self.settings}

    def bare(self) -> dict[str, Any]:
        """Return what decides about a value: neither where it is written, nor why."""
        return {"rule": self.kind} | {name: value for name, value in self.settings.items() if name != "reason"}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        match document:
            case {"rule": str(kind), "line": int(line), **settings}:
                return cls(kind, {str(name): value for name, value in settings.items()}, line)
        raise ValueError("a rule has no kind and no line")


@dataclass(frozen=True, slots=True)
class PathRule:
    """The rule of the values at a path; where the path ends in `{}`, one of the names as well."""

    path: str
    rule: Rule | None
    names: Rule | None = None

    def placed(self) -> Placed[Rule]:
        """Return it as a trie takes it."""
        return Placed(parse_path(self.path), self.rule, self.names)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Both, or the one there is."""
        return tuple(rule for rule in (self.rule, self.names) if rule)


def rule_trie(rules: Iterable[PathRule], key: Mapping[str, Rule] | None = None) -> Node[Rule]:
    """Return the trie of rules at their paths, and of those of a key; one that drops is for all below its path too."""
    of_key = (Placed((name,), rule) for name, rule in (key or {}).items())
    return trie([*of_key, *(each.placed() for each in rules)], lambda rule: rule.kind == DROP)


@dataclass(frozen=True, slots=True)
class Condition:
    """What an attribute of an item, or a tag of an object, has to be for the record to travel."""

    attribute: str
    """An attribute's path, of names alone; of one name for a tag, so that it is quoted where a path would be."""

    op: str
    """`equals`, `not`, `in`, `above`, `below`, `begins` or `exists`."""

    value: Any
    """What it is compared with, as DynamoDB's JSON has it; of `in` a list of such; of `exists` true or false."""

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        return {"attribute": self.attribute, "op": self.op, "value": self.value}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        match document:
            case {"attribute": str(attribute), "op": str(op), "value": value}:
                return cls(attribute, op, value)
        raise ValueError("a condition has no attribute, op and value")


@dataclass(frozen=True, kw_only=True)
class TableRules:
    """What becomes of a table's items."""

    key: Mapping[str, Rule]
    """The rule of each attribute of the key: keep or pseudonym."""

    attributes: tuple[PathRule, ...] = ()
    where: tuple[Condition, ...] = ()
    """All of them hold for an item that travels."""

    deletes: str = "mirror"
    """`mirror`, or `keep`: an item that is not there leaves its replica where it is; one that does not travel, none."""

    def placed(self) -> list[Placed[Rule]]:
        """Return the rules of all attributes, each at its path: those of the key first."""
        key = [Placed((name,), rule) for name, rule in self.key.items()]
        return [*key, *(each.placed() for each in self.attributes)]

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        return self._document(Rule.document) | {"deletes": self.deletes}

    def bare(self) -> dict[str, Any]:
        """Return what decides about a replica."""
        return self._document(Rule.bare)

    def _document(self, told: "Telling") -> dict[str, Any]:
        where = [condition.document() for condition in self.where]
        return {"key": _named(self.key, told), "attributes": _paths(self.attributes, told), "where": where}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        return cls(
            key=_rules(document["key"]),
            attributes=_path_rules(document["attributes"]),
            where=tuple(map(Condition.parse, document["where"])),
            deletes=_text(document["deletes"]),
        )


@dataclass(frozen=True, slots=True)
class OpaqueBody:
    """An object's bytes that travel as they are."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordsBody:
    """An object's bytes that are records, each masked by itself."""

    format: str
    """`json-lines`, `json-array` or `csv`."""

    fields: tuple[PathRule, ...]


@dataclass(frozen=True, kw_only=True)
class ObjectRule:
    """What becomes of the objects whose keys have a pattern."""

    match: str
    line: int
    key: Mapping[str, Rule]
    """The rule of each placeholder: keep or pseudonym."""

    body: OpaqueBody | RecordsBody
    headers: Mapping[str, Rule] = field(default_factory=dict)
    """By the names that the SDK has for them, or `OTHERS`; so are metadata and tags."""

    metadata: Mapping[str, Rule] = field(default_factory=dict)
    tags: Mapping[str, Rule] = field(default_factory=dict)

    @cached_property
    def pattern(self) -> KeyPattern:
        """Its keys' pattern."""
        return KeyPattern(self.match)

    def unsure(self) -> Iterator[tuple[int, str]]:
        """Yield the wildcards that are kept behind a masked one of their segment, each with what ends that one's value.

        That ends it where it stands for the first time: of `{customer}-{file}` and `jane-doe-1` the file would be
        `doe-1`. So a key is refused in which what is kept has that text as well.
        """
        ends = ""
        for place, (name, before, after) in enumerate(
            zip(self.pattern.wildcards, self.pattern.literals, self.pattern.literals[1:], strict=False)
        ):
            ends = "" if "/" in before else ends
            if name and self.key[name].kind != KEEP:
                ends = after
            elif ends:
                yield place, ends

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        reason = {"opaque": self.body.reason} if isinstance(self.body, OpaqueBody) else None
        return self._document(Rule.document, reason) | {"line": self.line}

    def bare(self) -> dict[str, Any]:
        """Return what decides about a replica."""
        return self._document(Rule.bare, {"opaque": True} if isinstance(self.body, OpaqueBody) else None)

    def _document(self, told: "Telling", opaque: dict[str, Any] | None) -> dict[str, Any]:
        named = {name: _named(getattr(self, name), told) for name in ("key", "headers", "metadata", "tags")}
        if isinstance(self.body, RecordsBody):
            return {"match": self.match, "body": _records(self.body, told), **named}
        return {"match": self.match, "body": opaque, **named}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        named = {name: _rules(document[name]) for name in ("key", "headers", "metadata", "tags")}
        rule = cls(match=_text(document["match"]), line=int(document["line"]), body=_body(document["body"]), **named)
        if {name for name in rule.pattern.wildcards if name} != rule.key.keys():
            raise ValueError(f"the rule for {rule.match} has other rules of its key than placeholders")
        return rule


@dataclass(frozen=True, kw_only=True)
class BucketRules:
    """What becomes of a bucket's objects."""

    rules: tuple[ObjectRule, ...]
    tags: tuple[Condition, ...] = ()
    """All of them hold for an object that travels."""

    deletes: str = "mirror"
    """As of a table."""

    @cached_property
    def patterns(self) -> KeyPatterns:
        """The patterns of the keys, in the rules' order."""
        return KeyPatterns([rule.pattern for rule in self.rules])

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        tags = [condition.document() for condition in self.tags]
        return {"rules": [rule.document() for rule in self.rules], "tags": tags, "deletes": self.deletes}

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises ValueError."""
        return cls(
            rules=tuple(map(ObjectRule.parse, document["rules"])),
            tags=tuple(map(Condition.parse, document["tags"])),
            deletes=_text(document["deletes"]),
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """The share of a namespace's values whose records travel: all of one's, or none."""

    namespace: str
    percent: int

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        return {"namespace": self.namespace, "percent": self.percent}


@dataclass(frozen=True, slots=True)
class Brake:
    """How many deletes pause a route by itself."""

    deletes: int | None
    """So many, or"""

    share: int | None
    """so many per cent of a dataset's records,"""

    minutes: int
    """within these."""

    def document(self) -> dict[str, Any]:
        """Return it as the compiled document holds it."""
        return {"deletes": self.deletes, "share": self.share, "minutes": self.minutes}


@dataclass(frozen=True, kw_only=True)
class MaskingPolicy:
    """A route's policy."""

    version: int = VERSION
    generation: int = 1
    """Of the key that pseudonyms are made with: a new one changes all of them."""

    unclassified: str = "refuse"
    """`refuse` a record with something that no rule is for, or `drop` that something."""

    namespaces: tuple[str, ...] = ()
    tables: Mapping[str, TableRules] = field(default_factory=dict)
    buckets: Mapping[str, BucketRules] = field(default_factory=dict)
    sample: Sample | None = None
    brake: Brake | None = None

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {}

    def fingerprint(self, dataset: str, rule: ObjectRule | None = None) -> str:
        """Return what a replica tells of the policy that it was made by, in 24 hexadecimal digits.

        It is of all that decides about a table's items, or about the objects of one rule of a bucket, and of nothing
        else: where and why that stands there changes no replica.
        """
        place = f"{dataset}/{rule.match}" if rule else dataset
        if place not in self._fingerprints:
            applies = [self.tables[dataset].bare()] if rule is None else self._of_object(dataset, rule)
            sample = self.sample and self.sample.document()
            told = [self.version, self.generation, self.unclassified, sample, *applies]
            self._fingerprints[place] = _digest(told)
        return self._fingerprints[place]

    def fingerprints(self) -> Iterator[tuple[str, str, str]]:
        """Yield what replicas tell of it: by dataset and, in a bucket, by the rule's pattern."""
        for name in self.tables:
            yield name, "", self.fingerprint(name)
        for name, bucket in self.buckets.items():
            for rule in bucket.rules:
                yield name, rule.match, self.fingerprint(name, rule)

    @cached_property
    def digest(self) -> str:
        """What tells the whole policy from another by which some replica is another."""
        return _digest(sorted(map(list, self.fingerprints())))

    def _of_object(self, dataset: str, rule: ObjectRule) -> list[Any]:
        return [rule.bare(), [condition.document() for condition in self.buckets[dataset].tags]]

    def masks_keys(self, dataset: str) -> bool:
        """Tell whether a dataset's replicas have other keys than their sources."""
        table, bucket = self.tables.get(dataset), self.buckets.get(dataset)
        keys = [table.key] if table else [rule.key for rule in bucket.rules] if bucket else []
        return any(rule.kind != KEEP for key in keys for rule in key.values())

    def keeps_deleted(self, dataset: str) -> bool:
        """Tell whether a dataset's replicas stay when their sources are deleted."""
        policy = self.tables.get(dataset) or self.buckets.get(dataset)
        return policy is not None and policy.deletes == KEEP

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document, which `parse` reads."""
        return {
            "version": self.version,
            "generation": self.generation,
            "unclassified": self.unclassified,
            "namespaces": list(self.namespaces),
            "tables": {name: table.document() for name, table in self.tables.items()},
            "buckets": {name: bucket.document() for name, bucket in self.buckets.items()},
            "sample": self.sample and self.sample.document(),
            "brake": self.brake and self.brake.document(),
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Build it from such a document; raises PolicyError.

        A version that this release does not know is refused: its rules may mean something else.
        """
        document = _exact(document)
        if not isinstance(document, Mapping) or document.get("version") != VERSION:
            raise PolicyError(f"the policy is none of version {VERSION}")
        if document.get("unclassified") not in {"refuse", DROP}:
            raise PolicyError("the policy neither refuses nor drops what is unclassified")
        try:
            return cls(
                generation=int(document["generation"]),
                unclassified=document["unclassified"],
                namespaces=tuple(map(_text, document["namespaces"])),
                tables={name: TableRules.parse(each) for name, each in document["tables"].items()},
                buckets={name: BucketRules.parse(each) for name, each in document["buckets"].items()},
                sample=Sample(**document["sample"]) if document["sample"] else None,
                brake=Brake(**document["brake"]) if document["brake"] else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError, KeyPatternError, PathError) as error:
            raise PolicyError(f"the policy is not usable: {error}") from error


Telling = Callable[[Rule], dict[str, Any]]


def canonical(document: Any) -> str:
    """Return a document's one text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(document: Any) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _exact(value: Any) -> Any:
    """Return a document with its whole numbers as such: a stack's outputs have them as floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _exact(each) for name, each in value.items()}
    return [_exact(each) for each in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is none")
    return value


def _rules(document: Any) -> dict[str, Rule]:
    return {name: Rule.parse(each) for name, each in document.items()}


def _path_rules(document: Sequence[Any]) -> tuple[PathRule, ...]:
    found = tuple(_path_rule(*each) for each in document)
    for each in found:
        each.placed()
    return found


def _path_rule(path: str, rule: Any, names: Any = None) -> PathRule:
    return PathRule(_text(path), Rule.parse(rule) if rule else None, Rule.parse(names) if names else None)


def _body(document: Any) -> OpaqueBody | RecordsBody:
    match document:
        case {"opaque": str(reason)}:
            return OpaqueBody(reason)
        case {"format": str(format_), "fields": [*fields]}:
            return RecordsBody(format_, _path_rules(fields))
    raise ValueError("a body is neither opaque nor of records")


def _named(rules: Mapping[str, Rule], told: Telling) -> dict[str, Any]:
    return {name: told(rule) for name, rule in rules.items()}


def _paths(rules: Sequence[PathRule], told: Telling) -> list[Any]:
    return [[each.path, each.rule and told(each.rule), *([told(each.names)] if each.names else [])] for each in rules]


def _records(body: RecordsBody, told: Telling) -> dict[str, Any]:
    return {"format": body.format, "fields": _paths(body.fields, told)}

"""The draft of a policy for what was seen of a dataset: what nobody has seen is refused, what may be personal dropped.

It is for a person to read, who loosens what is of no person. Nothing in it is a value of production.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_ops.masking.discovery import Discovered, Files, KeyShape
from pipeline_ops.masking.sightings import Sighting
from record_files.splitting import Format
from replication_core.masking.paths import Path, Step, path_text

__all__ = ["Proposal", "draft", "proposals"]

_FEW = 20
"""Different values up to which they are taken for names of kinds, as a status is."""

_OFTEN = 5
"""Times that each of them is seen at least, on the average."""

_MOSTLY = 0.5


@dataclass(frozen=True)
class Proposal:
    """A rule for a path, and what it is proposed for."""

    path: str
    seen: Sighting
    rate: float
    """Of the records, the share that has it."""

    rule: str
    """As a policy's file has it."""

    @property
    def types(self) -> str:
        """DynamoDB's names of the types that were seen, the most frequent first."""
        return ", ".join(type_ for type_, _ in self.seen.types.most_common())

    @property
    def comment(self) -> str:
        """What was seen, in a line."""
        parts = [f"{self.types} in {self.rate:.0%}", f"{self.seen.different.estimate:,} different"]
        return ", ".join([*parts, *filter(None, [self.seen.told_hits()])])


def proposals(seen: Sighting, records: int, key: tuple[str, ...] = ()) -> Iterator[Proposal]:
    """Yield a rule for each path that was seen; `key` are the attributes of a table's key."""
    for path, at in seen.paths():
        rate = min(1.0, at.records / records) if records else 0.0
        yield Proposal(path_text(path), at, rate, _rule(path, at, in_key=path[0] in key))


def _rule(path: Path, seen: Sighting, *, in_key: bool) -> str:
    names = [step for step in path if isinstance(step, str)]
    types = sorted(type_ for type_ in seen.types if type_ not in {"NULL", "M", "L"})
    pseudonym = f"{{pseudonym: {_namespace(names[-1])}}}"
    keep = f"{{keep: {{type: {types[0] if len(types) == 1 else '[' + ', '.join(types) + ']'}}}}}"
    if path[-1] is Step.NAMES:
        return f"{{names: {pseudonym}, values: drop}}"
    if in_key:
        return keep if types == ["N"] and not seen.hits else pseudonym
    if seen.hits:
        is_mail = set(seen.hits) == {"email"} and seen.hits["email"] >= _MOSTLY * seen.records
        return "{email: mail}" if is_mail and types == ["S"] else "drop"
    if types == ["BOOL"] or (types and 0 < seen.different.estimate <= min(_FEW, seen.records / _OFTEN)):
        return keep
    if types in (["S"], ["N"]) and re.search(r"(?:^|[_-])id$|[a-z]I[dD]$", names[-1]):
        return pseudonym
    return "drop"


def _namespace(name: str) -> str:
    stem = re.sub(r"[_-]?[iI][dD]$", "", name)
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "id"


def draft(found: Discovered) -> str:
    """Return the text of a policy's file that masks the dataset so."""
    name, kind = found.routed.dataset.name, found.routed.dataset.kind.record
    body = list(_bucket(found) if found.routed.dataset.is_bucket else _table(found))
    declared = ", ".join(f"{each}: {{}}" for each in sorted(set(re.findall(_NAMESPACE, "\n".join(body)))))
    head = [
        f"# A draft, of {found.records:,} {kind}s of {name}.",
        "# What nobody has seen is refused. Loosen what is of no person, each with its reason.",
        "version: 1",
        "generation: 1",
        "unclassified: refuse",
        f"namespaces: {{{declared}}}",
        "datasets:",
        f"  {name}:",
    ]
    return "\n".join([*head, *body, ""])


_NAMESPACE = r"\{(?:pseudonym|email): (\w+)\}"
"""Where a rule names one."""


def _table(found: Discovered) -> Iterator[str]:
    key = found.routed.dataset.attribute_names
    told = list(proposals(found.items, found.records, key))
    in_key = [each for each in told if each.path in {path_text((name,)) for name in key}]
    yield from _rules("key", in_key, 4)
    yield from _rules("attributes", [each for each in told if each not in in_key], 4)


def _bucket(found: Discovered) -> Iterator[str]:
    for shape, files in sorted(found.files.items(), key=lambda each: each[0].match):
        yield from _object_rule(shape, files)


def _object_rule(shape: KeyShape, files: Files) -> Iterator[str]:
    told = ", ".join(f"{count:,} {name}" for name, count in files.formats.most_common())
    match = json.dumps(shape.match, ensure_ascii=False)
    comment = f"# {files.objects:,} objects{': ' if told else ''}{told}"
    if files.format is None:
        # A body of no format that is known can only be copied as it is, which somebody has to give a reason for.
        yield f"    # - match: {match}  {comment}: write body: {{opaque: ...}}"
        return
    names = re.findall(r"(?<!\\)\{(\w+)\}", shape.match)
    yield f"    - match: {match}  {comment}"
    yield f"      key: {{{', '.join(f'{name}: {{pseudonym: {name}}}' for name in names)}}}"
    yield "      body:"
    yield f"        format: {files.format}"
    fields = "columns" if files.format is Format.CSV else "fields"
    yield from _rules(fields, list(proposals(files.seen, files.records)), 8)
    yield from (f'      {what}: {{"*": drop}}' for what in ("headers", "metadata", "tags"))


def _rules(of: str, told: Sequence[Proposal], indent: int) -> Iterator[str]:
    yield f"{' ' * indent}{of}:{'' if told else ' {}'}"
    for each in told:
        name = json.dumps(each.path, ensure_ascii=False)
        yield f"{' ' * indent}  {name}: {each.rule}  # {each.comment}"

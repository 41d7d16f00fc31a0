"""From a policy's file to the compiled policy: what stands where, and all that is wrong with it."""

from collections.abc import Collection
from dataclasses import dataclass

from masking_policy.bucket_forms import read_bucket
from masking_policy.coherence import check_coherence
from masking_policy.conditions import ON_ATTRIBUTES, read_conditions, read_deletes
from masking_policy.faults import Fault, Faults, PolicyFileError
from masking_policy.path_forms import read_attributes
from masking_policy.rule_forms import read_key_rules
from masking_policy.stored import StoredData, check_stored
from masking_policy.yaml_parts import YamlPart, read_yaml, suggestion
from replication_core.masking.policy import (
    DROP,
    VERSION,
    Brake,
    BucketRules,
    MaskingPolicy,
    Sample,
    TableRules,
)

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
            buckets[name] = read_bucket(each)
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
    key = read_key_rules(fields["key"]) if "key" in fields else {}
    if "key" in fields and not fields["key"].entries():
        fields["key"].fault("is empty", "write a rule for each attribute of the table's key")
    return TableRules(
        key=key,
        attributes=read_attributes(fields["attributes"]) if "attributes" in fields else (),
        where=read_conditions(fields["where"], ON_ATTRIBUTES) if "where" in fields else (),
        deletes=read_deletes(fields.get("deletes")),
    )

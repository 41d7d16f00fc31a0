"""The report of a route's masking for a reviewer: the policy, what it does, and what was seen in the target."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from masking_policy.places import object_place, rules_of
from pipeline_ops.masking.activation import Activation
from pipeline_ops.masking.preview import Treatment
from pipeline_ops.masking.rule_counts import RuleCounts
from pipeline_ops.masking.safety import Safety
from pipeline_ops.page import HtmlPage
from pipeline_ops.routes.dead_letters import DeadLetterQueue, dead_letters
from pipeline_ops.routes.route import Route
from pipeline_ops.routes.verification import OF_PART
from replication_core.masking.policy import MaskingPolicy, OpaqueBody

__all__ = ["LastVerification", "MaskingReport", "last_verification", "refusals", "write_report_page"]

_UNCLASSIFIED = "Unclassified"
_LETTERS = 10_000
_RECORD = re.compile(r"^record [0-9]+(?:, |: )")
"""Tells which record of a file it was."""

_OUTCOMES = tuple(Treatment)


@dataclass(frozen=True, kw_only=True)
class LastVerification:
    """The newest comparison of the whole target that was made in this checkout, and not `--quick`."""

    at: datetime
    found: Mapping[str, int]
    """Findings by verdict."""

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {"at": self.at.isoformat(timespec="seconds"), "found": dict(self.found)}


@dataclass(frozen=True, kw_only=True)
class MaskingReport:
    """What is told of a route's masking; nothing in it is a value of production."""

    route: Route
    policy: MaskingPolicy
    safety: Safety
    counts: RuleCounts
    """Of production, by what is desired of it."""

    counts_everything: bool
    """Whether they are of every record; else of a sample."""

    refusals: Mapping[str, int]
    """Dead letters that the policy has caused, by what they say."""

    activation: Activation | None
    verified: LastVerification | None
    at: datetime

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        spec = self.route.spec
        return {
            "schema": "pipeline.masking-report/1",
            "at": self.at.isoformat(timespec="seconds"),
            "source": spec.source_environment,
            "target": spec.target_environment,
            "release": spec.release,
            "version": self.route.outputs.version,
            "protection": self.safety.document(),
            "policy": {"digest": self.policy.digest, **self.policy.document()},
            "fingerprints": [
                {"dataset": dataset, "match": match, "fingerprint": told}
                for dataset, match, told in self.policy.fingerprints()
            ],
            "sample": {
                "is_everything": self.counts_everything,
                "records": dict(self.counts.records),
                "left_out": dict(self.counts.left_out),
                "refused": [
                    {"dataset": dataset, "why": why, "records": count}
                    for (dataset, why), count in self.counts.refused.items()
                ],
                "values": [
                    {**place._asdict(), "outcome": outcome.value, "values": count}
                    for (place, outcome), count in self.counts.values.items()
                ],
            },
            "refusals": dict(self.refusals),
            "activation": self.activation and self.activation.document(),
            "verified": self.verified and self.verified.document(),
        }


def refusals(queue: DeadLetterQueue, target: str) -> dict[str, int]:
    """Count a route's dead letters that its policy has caused, by the rule and the reason that each tells."""
    with dead_letters(queue, most=_LETTERS) as held:
        own = (each for each in held.letters if each.target == target and each.reason == _UNCLASSIFIED)
        found = Counter(_RECORD.sub("", each.message) for each in own)
    return dict(found.most_common())


def last_verification(folder: Path, target: str) -> LastVerification | None:
    """Return what the newest report there tells of a comparison of all, in full; None where none can be read."""
    whole = (path for path in folder.glob(f"{target}-*.jsonl") if not path.stem.endswith(OF_PART))
    for path in sorted(whole, reverse=True):
        try:
            with path.open(encoding="utf-8") as file:
                found = Counter(str(json.loads(line)["verdict"]) for line in file)
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, ValueError, LookupError, TypeError):
            continue
        return LastVerification(at=at, found=found)
    return None


def write_report_page(report: MaskingReport, path: Path) -> None:
    """Write it as a page that needs nothing else; raises OSError."""
    page = HtmlPage(f"Masking of {report.route.spec.target_environment}")
    page.table(("", ""), _facts(report))
    page.heading("Policy")
    page.table(("place", "rule", "line", "settings", "reason"), _policy_rows(report.policy))
    page.table(("fingerprint of", "keys", "is"), report.policy.fingerprints())
    whole = "all records of production, of a file its first one"
    page.heading(f"What becomes of {whole if report.counts_everything else 'a sample of production'}")
    page.table(("dataset", "records", "left out", "refused"), _record_rows(report.counts))
    page.table(("place", "rule", "line", *map(str, _OUTCOMES)), _value_rows(report.counts))
    if refused := report.counts.refused:
        rows = ((dataset, f"{count:,}", why) for (dataset, why), count in refused.items())
        page.table(("refused", "records", "why"), rows)
    page.heading("Refused, in the dead-letter queue")
    page.table(("why", "letters"), ((why, f"{count:,}") for why, count in report.refusals.items()))
    page.heading("Last comparison of the whole target")
    found = report.verified.found if report.verified else {}
    page.paragraph(f"At {report.verified.at:%Y-%m-%d %H:%M} UTC." if report.verified else "None in this checkout.")
    page.table(("found", "keys"), ((verdict, f"{count:,}") for verdict, count in found.items()))
    page.heading("Activation")
    _add_activation(page, report.activation)
    page.write(path)


def _facts(report: MaskingReport) -> Iterator[tuple[str, str]]:
    spec = report.route.spec
    yield "source", spec.source_environment
    yield "release, version", f"{spec.release or 'unknown'}, {report.route.outputs.version or 'unknown'}"
    yield "the target is", str(report.safety)
    yield "policy", report.policy.digest
    yield "generation of the key", str(report.policy.generation)
    yield "what no rule is for", "refused" if report.policy.unclassified == "refuse" else "left out"
    if report.policy.sample:
        yield "sample", f"{report.policy.sample.percent} % of {report.policy.sample.namespace}"
    yield "told at", f"{report.at:%Y-%m-%d %H:%M} UTC"
    yield "what masking is", "pseudonymised, not anonymised: equality, frequency and kept lengths stay visible"


_Row = tuple[str, ...]


def _policy_rows(policy: MaskingPolicy) -> Iterator[_Row]:
    for place, rule in rules_of(policy):
        settings = {name: value for name, value in rule.settings.items() if name != "reason"}
        yield place, rule.kind, str(rule.line), json.dumps(settings) if settings else "", rule.reason
    conditions = {f"{name}.where": table.where for name, table in policy.tables.items()}
    conditions |= {f"{name}.tags": bucket.tags for name, bucket in policy.buckets.items()}
    for place, each in ((place, each) for place, some in conditions.items() for each in some):
        yield f"datasets.{place}.{each.attribute}", each.op, "", str(each.value), ""
    for name, bucket in policy.buckets.items():
        for told in bucket.rules:
            if isinstance(told.body, OpaqueBody):
                yield f"{object_place(name, told)}.body", "opaque", str(told.line), "", told.body.reason


def _record_rows(counts: RuleCounts) -> Iterator[_Row]:
    for name, records in counts.records.items():
        refused = sum(count for (dataset, _), count in counts.refused.items() if dataset == name)
        yield name, f"{records:,}", f"{counts.left_out[name]:,}", f"{refused:,}"


def _value_rows(counts: RuleCounts) -> Iterator[_Row]:
    for place in dict.fromkeys(place for place, _ in counts.values):
        numbers = (f"{counts.values[place, outcome]:,}" for outcome in _OUTCOMES)
        yield f"{place.dataset} {place.place}", place.rule, str(place.line or ""), *numbers


def _add_activation(page: HtmlPage, activation: Activation | None) -> None:
    if activation is None:
        page.paragraph("None is recorded.")
        return
    page.paragraph(f"Begun at {activation.begun} by {activation.by}, of the policy {activation.policy}.")
    page.table(("step", "done at"), activation.done.items())
    page.table(("dataset", "deleted", "left"), _cleared_rows(activation))
    page.table(("may hold former data still", "what", "until"), _kept_rows(activation))


def _cleared_rows(activation: Activation) -> Iterator[_Row]:
    for name, told in activation.cleared.items():
        yield name, json.dumps(told.get("deleted", {})), json.dumps(told.get("left", {}))


def _kept_rows(activation: Activation) -> Iterator[_Row]:
    for each in activation.kept:
        yield str(each.get("store")), str(each.get("what")), str(each.get("until") or "somebody deletes it")

"""The report of a verification: a line of JSON per finding, and a page that counts them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pipeline_ops.errors import OperatorError
from pipeline_ops.page import HtmlPage
from replication_core.comparing.findings import DRIFT, Finding, Verdict
from replication_core.datasets import DEFAULTS, OBJECTS, RecordKey
from replication_core.route_spec import RouteSpec

__all__ = ["Tally", "read_findings", "write_finding", "write_page", "writing"]

_EXAMPLES = 5
_PREFIXES = 200
_OTHERS = "(others)"


def write_finding(file: TextIO, finding: Finding) -> None:
    """Write a finding as a line of JSON."""
    document = {
        **finding.key.document(),
        "verdict": finding.verdict.value,
        "what": list(finding.what),
        "size": finding.size,
        "source": finding.source,
        "own": finding.own,
        "orphan": finding.orphan,
    }
    file.write(json.dumps(document) + "\n")


def read_findings(file: Iterable[str], route: RouteSpec) -> Iterator[Finding]:
    """Read a route's findings back, line by line."""
    for line in file:
        told = json.loads(line)
        yield Finding(
            key=_key(told, route),
            verdict=Verdict(told["verdict"]),
            what=tuple(told["what"]),
            size=told["size"],
            source=told["source"],
            own=told["own"],
            orphan=told.get("orphan", False),
        )


def _key(told: Mapping[str, Any], route: RouteSpec) -> RecordKey:
    if "dataset" not in told:
        dataset = DEFAULTS[told["kind"]]
        return dataset.record(*(told[name] for name in dataset.attribute_names))
    known = route.dataset(told["dataset"])
    if known is None:
        raise OperatorError(f"The report is of another route: {route.target} gets no {told['dataset']}.")
    return known.dataset.named(told["key"])


@dataclass
class _Prefix:
    counts: Counter[Verdict] = field(default_factory=Counter)
    examples: defaultdict[Verdict, list[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Tally:
    """Counts findings, and keeps a few examples by prefix: as much for a million as for a thousand."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    puts: int = 0
    deletes: int = 0
    own: int = 0
    """Of the deletes, those of what the target has of its own: the route never made it."""

    orphans: int = 0
    """Of the deletes, those of keys that the target alone has, which no notice can name."""

    put_bytes: int = 0
    """Of objects: what a repair copies."""

    prefixes: defaultdict[str, _Prefix] = field(default_factory=lambda: defaultdict(_Prefix))

    def add(self, finding: Finding) -> None:
        """Count one more."""
        self.counts[finding.verdict] += 1
        if finding.verdict in DRIFT and finding.deletes:
            self.deletes += 1
            self.own += finding.own
            self.orphans += finding.orphan
        elif finding.verdict in DRIFT:
            self.puts += 1
            self.put_bytes += finding.size
        name = _prefix_of(finding.key)
        known = name in self.prefixes or len(self.prefixes) < _PREFIXES
        prefix = self.prefixes[name if known else _OTHERS]
        prefix.counts[finding.verdict] += 1
        examples = prefix.examples[finding.verdict]
        if len(examples) < _EXAMPLES:
            what = ("the target's own",) if finding.own else finding.what
            examples.append((str(finding.key), finding.verdict.value, ", ".join(what)))

    def example(self, verdict: Verdict) -> str:
        """Return a key of that verdict and what was found, nothing where there is none."""
        for prefix in self.prefixes.values():
            for key, _, what in prefix.examples.get(verdict, ()):
                return f"{key}: {what}" if what else key
        return ""

    def drift(self, *, keep_own: bool = False) -> int:
        """Return how many keys have drifted, with or without what the target has of its own."""
        return sum(self.counts[verdict] for verdict in DRIFT) - (self.own if keep_own else 0)

    @property
    def unknown(self) -> int:
        """The number of keys that could not be compared."""
        return self.counts[Verdict.UNKNOWN]


def _prefix_of(key: RecordKey) -> str:
    if not key.dataset.is_bucket:
        return f"({key.dataset.name})"
    folder, slash, _ = key.object_key.partition("/")
    below = f"{folder}/" if slash else "(no folder)"
    return below if key.dataset == OBJECTS else f"{key.dataset.name} {below}"


def write_page(
    path: Path,
    title: str,
    facts: Iterable[tuple[str, str]],
    tally: Tally,
    report: Path,
    *,
    verdicts: Iterable[Verdict],
) -> None:
    """Write the counts of these verdicts, and the examples by prefix, as a page that needs nothing else."""
    page = HtmlPage(title)
    page.table(("", ""), facts)
    page.heading("Found")
    page.table(("verdict", "keys"), ((verdict.value, f"{tally.counts[verdict]:,}") for verdict in verdicts))
    page.heading("By prefix")
    for name, prefix in sorted(tally.prefixes.items()):
        page.heading(name, level=3)
        page.paragraph(", ".join(f"{count:,} {verdict.value}" for verdict, count in prefix.counts.most_common()))
        examples = (example for verdict in Verdict for example in prefix.examples.get(verdict, ()))
        page.table(("for example", "verdict", "what"), examples)
    page.paragraph(f"Every key: {report.name}, a JSON document a line.")
    with writing(path):
        page.write(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise what the disk refuses inside the block as an OperatorError that names the file."""
    try:
        yield
    except OSError as error:
        raise OperatorError(f"{path} can't be written: {error.strerror}.") from error

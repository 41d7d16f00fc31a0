"""`review` and `drift` as they are typed: what a deploy would change, and what others have changed, for a workflow."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pulumi import automation

from pipeline_ops.account import check_account
from pipeline_ops.checkout import open_projects
from pipeline_ops.delivery.changed_projects import changed_projects
from pipeline_ops.delivery.markdown import section
from pipeline_ops.deployment import Deployment, Result
from pipeline_ops.destination import open_deployment
from pipeline_ops.errors import FAILED, OperatorError
from pipeline_ops.progress import Tracker
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.report import results_document, summaries, summary
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where

__all__ = ["drift", "review"]


@dataclass
class _Seen:
    """What the engine told of each stack, a line per resource that changes."""

    lines: dict[StackId, list[str]] = field(default_factory=dict)
    _trackers: dict[StackId, Tracker] = field(default_factory=dict)

    def take(self, stack: StackId, operation: str, event: automation.EngineEvent) -> None:
        line = self._trackers.setdefault(stack, Tracker(stack, operation)).take(event, 0.0)
        if line is not None:
            self.lines.setdefault(stack, []).append(line.plain.removeprefix(f"{stack} "))


@dataclass
class _Report:
    """The results of several stacks: one that can't be looked at stops no other."""

    seen: _Seen = field(default_factory=_Seen)
    results: list[Result] = field(default_factory=list)
    failed: dict[StackId, OperatorError] = field(default_factory=dict)

    @property
    def drifted(self) -> list[Result]:
        return [result for result in self.results if not result.unchanged]

    def fail(self, stack: StackId, error: OperatorError) -> None:
        tell(f"{stack}: {error}", err=True)
        self.failed[stack] = error

    def sections(self, results: Sequence[Result]) -> str:
        looked_at = [
            section(summary(result), [] if result.unchanged else self.seen.lines.get(result.stack, []))
            for result in results
        ]
        failures = [section(f"{stack}: failed", error.lines) for stack, error in self.failed.items()]
        return "".join((*looked_at, *failures))


def review(
    project: str, environment: str, where: Where, as_json: bool, since: str | None, markdown: Path | None
) -> None:
    """Say what a deploy of the stacks would change; with `since`, of those whose project the branch has changed.

    Exits with 1 where that can't be told of one.
    """
    projects = open_projects(where)
    stacks = projects.select(project, environment)
    if since is not None:
        changed = changed_projects(projects, since)
        stacks = tuple(stack for stack in stacks if stack.project in changed)
    report = _looked(projects, stacks, "preview")
    nothing = f"### {environment}: nothing of what is deployed there has changed\n\n"
    _answer(report, report.sections(report.results) or nothing, as_json=as_json, markdown=markdown)
    if report.failed:
        sys.exit(FAILED)


def drift(project: str, environment: str, where: Where, as_json: bool, markdown: Path | None) -> None:
    """Say what is otherwise than it was deployed, and change nothing.

    Exits with 1 where something is, or where one can't be looked at. The file is made in any case, and is empty where
    all is as it was deployed.
    """
    projects = open_projects(where)
    report = _looked(projects, projects.select(project, environment), "drift")
    _answer(report, report.sections(report.drifted), as_json=as_json, markdown=markdown)
    if report.drifted or report.failed:
        sys.exit(FAILED)


def _looked(projects: Projects, stacks: Sequence[StackId], operation: str) -> _Report:
    report = _Report()
    try:
        with open_deployment(projects, may_begin=operation == "preview", also=report.seen.take) as deployment:
            for stack in stacks:
                _look(report, deployment, stack, operation)
    except OperatorError as error:
        for stack in stacks:
            report.fail(stack, error)
    return report


def _look(report: _Report, deployment: Deployment, stack: StackId, operation: str) -> None:
    projects = deployment.projects
    try:
        if not projects.where.is_local:
            check_account(stack, projects.settings(stack))
        look: Callable[[str, str], Result] = getattr(deployment, operation)
        report.results.append(look(stack.project, stack.environment))
    except OperatorError as error:
        report.fail(stack, error)


def _answer(report: _Report, text: str, *, as_json: bool, markdown: Path | None) -> None:
    if markdown is not None:
        with markdown.open("a", encoding="utf-8") as file:
            file.write(text)
    if as_json:
        document(results_document(report.results))
    else:
        tell(*summaries(report.results))

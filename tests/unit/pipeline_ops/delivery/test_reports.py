"""`review` and `drift`: which stacks they look at, what they write for people, and with which code they end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pulumi.automation import EngineEvent, OpType, StepEventMetadata, StepEventStateMetadata
from pulumi.automation.events import ResOutputsEvent

from pipeline_ops import cli, deployment
from pipeline_ops.delivery import reports
from pipeline_ops.delivery.changed_projects import changed_projects
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from tests.unit.pipeline_ops.repositories import MadeRepository

Tell = Callable[[StackId, str, EngineEvent], None]


class Looking:
    """A deployment of which a test says what each stack would change, or why it can't be looked at."""

    def __init__(self, projects: Projects, found: Mapping[str, Any], tell: Tell) -> None:
        self.projects = projects
        self._found = found
        self._tell = tell

    def preview(self, project: str, environment: str) -> deployment.Result:
        return self._look(StackId(project, environment), "preview")

    def drift(self, project: str, environment: str) -> deployment.Result:
        return self._look(StackId(project, environment), "drift")

    def _look(self, stack: StackId, operation: str) -> deployment.Result:
        found = self._found.get(str(stack), {})
        if isinstance(found, Exception):
            raise found
        for name in found:
            self._tell(stack, operation, updated(name))
        return deployment.Result(stack, operation, {"update": len(found)} if found else {"same": 3}, 0.5)


def updated(name: str) -> EngineEvent:
    urn = f"urn:pulumi:dev::storage::aws:s3/bucket:Bucket::{name}"
    kind = "aws:s3/bucket:Bucket"
    state = StepEventStateMetadata(
        type=kind, urn=urn, id="id", parent="", provider="", inputs={}, outputs={}, custom=True
    )
    step = StepEventMetadata(op=OpType.UPDATE, urn=urn, type=kind, provider="", new=state, diffs=["tags"])
    return EngineEvent(sequence=1, timestamp=1, res_outputs_event=ResOutputsEvent(step, planning=True))


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is found of each stack, by its name; the checkout has three."""
    for project, environment in (("storage", "dev"), ("processing", "dev"), ("replication", "prod")):
        folder = tmp_path / "projects" / project
        folder.mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(f"name: {project}\n")
        (folder / f"Pulumi.{environment}.yaml").write_text("config: {}\n")
    told: dict[str, Any] = {}

    @contextmanager
    def opened(projects: Projects, *, also: Tell, **_: Any) -> Iterator[Looking]:
        if "opening" in told:
            raise told["opening"]
        yield Looking(projects, told, also)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reports, "open_deployment", opened)
    monkeypatch.setattr(reports, "check_account", lambda *_: "111122223333")
    return told


def run(*arguments: str) -> tuple[Result, str]:
    """Run a command, and return what it answered and what is in its report."""
    answer = CliRunner().invoke(cli.cli, [*arguments, "--markdown", "report.md"])
    report = Path("report.md")
    return answer, report.read_text() if report.exists() else "none"


def test_a_review_shows_each_stack_and_what_would_change_there(found: dict[str, Any]) -> None:
    found["storage/dev"] = ["objects", "archive"]
    answer, report = run("review", "all", "dev")
    assert answer.exit_code == 0
    assert report == (
        "### storage/dev: 2 to update (0.5 s)\n\n```text\n"
        "~ would be updated: s3.Bucket objects [tags]\n~ would be updated: s3.Bucket archive [tags]\n```\n\n"
        "### processing/dev: nothing would change, 3 resources (0.5 s)\n\n"
    )


def test_a_stack_that_cannot_be_previewed_stops_no_other_and_is_in_the_report(found: dict[str, Any]) -> None:
    found["storage/dev"] = OperatorError("storage/dev is locked", details=["by `somebody`"])
    answer, report = run("review", "all", "dev")
    assert answer.exit_code == 1
    assert "### processing/dev: nothing would change" in report
    assert "### storage/dev: failed\n\n```text\nstorage/dev is locked\n  by `somebody`\n```" in report


def test_reports_of_several_environments_follow_one_another(found: dict[str, Any]) -> None:
    run("review", "all", "dev")
    _, report = run("review", "all", "prod")
    assert [line.split(":")[0] for line in report.splitlines() if line] == [
        "### storage/dev",
        "### processing/dev",
        "### replication/prod",
    ]


def test_where_nothing_drifted_there_is_an_empty_report(found: dict[str, Any]) -> None:
    answer, report = run("drift", "all", "dev")
    assert (answer.exit_code, report) == (0, "")


def test_what_drifted_ends_with_1_and_is_reported_alone(found: dict[str, Any]) -> None:
    found["processing/dev"] = ["queue"]
    answer, report = run("drift", "all", "dev")
    assert answer.exit_code == 1
    assert report == (
        "### processing/dev: 1 otherwise than deployed (0.5 s)\n\n```text\n"
        "~ was updated by others: s3.Bucket queue [tags]\n```\n\n"
    )


@pytest.mark.parametrize("failing", ["storage/dev", "opening"])
def test_what_cannot_be_looked_at_is_no_drift_that_is_passed_over(found: dict[str, Any], failing: str) -> None:
    found[failing] = OperatorError("AWS refuses the credentials")
    answer, report = run("drift", "all", "dev")
    assert answer.exit_code == 1
    assert "### storage/dev: failed" in report


def test_a_name_that_ends_a_block_of_code_or_mentions_somebody_stays_in_it(found: dict[str, Any]) -> None:
    found["storage/dev"] = ["````\n@everyone <b>", "x"]
    _, report = run("review", "storage", "dev")
    lines = report.splitlines()
    assert (lines[2], lines[5]) == ("`````text", "`````")
    assert r"s3.Bucket ````\n@everyone <b> [tags]" in lines[3]


def test_only_projects_that_a_branch_changed_are_reviewed(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = MadeRepository(tmp_path / "made")
    projects = Projects(made.folder)
    before = made.commit("docs: write", **{"README.md": "read"})
    made.git("checkout", "--quiet", "-b", "branch")
    made.commit("other: change what no project holds", **{"packages/other/src/other/__init__.py": "A = 1\n"})
    assert changed_projects(projects, "main") == frozenset()
    made.commit("bag: change what the function's archive holds", **{"packages/bag/src/bag/__init__.py": "A = 1\n"})
    assert changed_projects(projects, "main") == {"replication"}
    made.git("checkout", "--quiet", "main")
    made.commit("replication: go on meanwhile", **{"projects/replication/Pulumi.yaml": "name: replication\n"})
    made.git("checkout", "--quiet", "-b", "late", before)
    assert changed_projects(projects, "main") == frozenset(), "what main changed since is not this branch's"
    with pytest.raises(OperatorError, match="`git merge-base` failed"):
        changed_projects(projects, "--nonsense")


def test_a_review_of_a_branch_that_changed_no_project_says_so(
    found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "changed_projects", lambda *_: frozenset())
    answer, report = run("review", "all", "dev", "--since", "main")
    assert answer.exit_code == 0
    assert report == "### dev: nothing of what is deployed there has changed\n\n"

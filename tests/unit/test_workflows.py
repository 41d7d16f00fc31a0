"""What the workflows run is what is tested here, and they may no more than they need.

What GitHub alone can show is said in docs/delivery.md: that events, labels, approvals and tokens come as documented.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_ops.cli import cli
from tests.workflows.definitions import ACTION, FILES, jobs, steps, workflow

ROOT = Path(__file__).parents[2]
VARIABLES = {"PR_NUMBER": "42", "GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "replication/v1.4.0"}
LINES = sorted({str(step["run"]) for _, step in steps() if "run" in step})
NAMES = [path.stem for path in FILES]


def test_there_is_a_workflow_for_each_way_to_production() -> None:
    assert NAMES == ["checks", "deploy", "drift", "instance", "preview", "release"]


@pytest.mark.parametrize("line", LINES)
def test_each_line_that_a_workflow_runs_is_the_readmes_or_a_session_with_arguments_that_it_takes(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "${{" not in line, "a value from outside would be read as a part of the command"
    if line == "python3 -m pip install --require-hashes --requirement requirements/workflows.txt":
        assert (ROOT / "requirements" / "workflows.in").read_text().endswith("\nnox[uv]\n")
        return
    if line == "python3 -m nox":
        assert line in (ROOT / "README.md").read_text()
        return
    for name, value in VARIABLES.items():
        line = line.replace(f"${name}", value)
    assert "$" not in line
    python, module, nox, session, command, dashes, *arguments = shlex.split(line)
    assert (python, module, nox, session, dashes) == ("python3", "-m", "nox", "-s", "--")
    assert f'"{command}":' in (ROOT / "noxfile.py").read_text()
    cli.commands[command].make_context(command, arguments)  # exits where an argument is none


@pytest.mark.parametrize(("place", "step"), [(place, step) for place, step in steps() if "uses" in step])
def test_each_action_is_pinned_by_digest_with_its_version_beside_it(place: str, step: dict[str, Any]) -> None:
    used = str(step["uses"])
    if used.startswith("./"):
        assert (ROOT / used / "action.yml").exists()
        return
    assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", used)
    written = "".join(path.read_text() for path in (*FILES, ACTION))
    assert re.search(rf"{re.escape(used)} # v\d+\.\d+\.\d+\n", written)


MAY = {"contents": {"read"}, "id-token": {"write"}, "pull-requests": {"write"}, "issues": {"write"}}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, name, _ in jobs()])
def test_a_job_may_only_what_it_needs_and_ends(path: str, name: str) -> None:
    (job,) = [job for where, called, job in jobs() if (where, called) == (path, name)]
    assert workflow(ROOT / ".github" / "workflows" / f"{path}.yml")["permissions"] == {}
    assert all(value in MAY[right] for right, value in job["permissions"].items())
    told = "".join(str(step) for step in job["steps"])
    assert ("id-token" in job["permissions"]) is ("'role'" in told)
    assert ("pull-requests" in job["permissions"]) is ("-s comment" in told)
    assert ("issues" in job["permissions"]) is ("-s issue" in told)
    assert job["timeout-minutes"] <= 60
    (checkout,) = [step for step in job["steps"] if "actions/checkout@" in str(step.get("uses"))]
    assert checkout["with"]["persist-credentials"] is False


def test_no_workflow_runs_strangers_code_with_rights_and_none_has_a_key_of_aws() -> None:
    for path in FILES:
        text = path.read_text()
        assert "pull_request_target" not in text
        assert "workflow_run" not in text
        assert set(re.findall(r"secrets\.(\w+)", text)) <= {"PULUMI_CONFIG_PASSPHRASE"}
        assert "access-key" not in text
    for called, name, job in jobs():
        if "pull_request" in workflow(ROOT / ".github" / "workflows" / f"{called}.yml")["on"] and called != "checks":
            assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"], name


def test_no_two_runs_change_a_stack_at_a_time_and_none_that_changes_one_is_ended_midway() -> None:
    groups: dict[str, set[str]] = {}
    for path, _, job in jobs():
        changed = {
            f"{project}/{environment}{instance}"
            for step in job["steps"]
            for project, environment, instance in re.findall(r"-s deploy -- (\w+) (\w+)(.*)", str(step.get("run")))
        }
        if changed:
            group = {**workflow(ROOT / ".github" / "workflows" / f"{path}.yml"), **job}["concurrency"]
            assert group["cancel-in-progress"] is False
            groups.setdefault(group["group"], set()).update(changed)
    stacks = [stack for changed in groups.values() for stack in changed]
    assert len(stacks) == len(set(stacks)) == 8


def test_environments_are_deployed_one_after_the_other_each_behind_githubs_environment_of_that_name() -> None:
    deployed = {name: job for path, name, job in jobs() if path == "deploy"}
    assert list(deployed) == ["dev", "staging", "prod"]
    assert [job.get("needs") for job in deployed.values()] == [None, "dev", "staging"]
    assert [job["environment"] for job in deployed.values()] == ["dev", "staging", "prod"]


def hooks() -> list[dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    found: list[dict[str, Any]] = repository["hooks"]
    return found


def test_pre_commit_runs_what_nox_runs_by_default() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--noxfile", str(ROOT / "noxfile.py")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1"},
    ).stdout
    default = set(re.findall(r"^\* ([\w-]+)", listed, re.MULTILINE))
    assert {"lint", "types", "workflows", "unit"} <= default
    for hook in hooks():
        assert re.fullmatch(rf"python3 -m nox -s {hook['id']}( --)?", hook["entry"])
        assert hook["id"] in default


def test_each_folder_whose_dependencies_are_raised_or_reviewed_is_there() -> None:
    for update in yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            assert (ROOT / folder.lstrip("/")).is_dir(), folder
    for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines():
        path, *owners = line.split() if line and not line.startswith("#") else ["*", "@"]
        assert path == "*" or (ROOT / path.lstrip("/")).exists(), path
        assert all(owner.startswith("@") for owner in owners)


@pytest.mark.parametrize("name", ["emulator", "lambda", "operators", "workflows"])
def test_a_lock_for_every_platform_says_so_to_who_compiles_it_anew(name: str) -> None:
    assert "--universal" in (ROOT / "requirements" / f"{name}.txt").read_text()

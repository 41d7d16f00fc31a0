"""Instances that are deployed: how old they are, and in which order they go."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_ops import instances_command
from pipeline_ops.ages import age_of, written
from pipeline_ops.deployment import Result
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.instances_command import deployed_instances, destruction_order
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.projects import StackId
from pipeline_ops.state_document import first_made
from pipeline_ops.where import Where

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Deployed:
    """What `instances` asks of a deployment."""

    def __init__(self, made: Mapping[str, datetime | None]) -> None:
        self.made = {StackId(*name.split("/")): at for name, at in made.items()}
        self.projects = self
        self.interrupts = Interrupts()
        self.destroyed: list[str] = []

    def deployed(self) -> frozenset[StackId]:
        return frozenset(self.made)

    def known(self, project: str, environment: str) -> StackId:
        if environment.startswith("gone"):
            raise OperatorError("storage has no gone stack.")
        return StackId(project, environment)

    def made_at(self, stack: StackId) -> datetime | None:
        return self.made[stack]

    def destroy(self, project: str, environment: str) -> Result:
        if project == "processing":
            raise OperatorError("AWS refuses.")
        stack = StackId(project, environment)
        self.destroyed.append(str(stack))
        return Result(stack, "destroy", {"delete": 1}, 0.5)


def test_an_instance_is_as_old_as_its_first_stack_and_a_plain_environment_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    day = timedelta(days=1)
    deployment: Any = Deployed(
        {
            "storage/dev": NOW - 9 * day,
            "storage/dev-b": NOW - day,
            "storage/dev-a": NOW - 3 * day,
            "processing/dev-a": NOW - 2 * day,
            "storage/gone-a": None,
        }
    )
    found = [(one.environment, one.made_at, len(one.stacks)) for one in deployed_instances(deployment)]
    assert found == [("dev-a", NOW - 3 * day, 2), ("dev-b", NOW - day, 1), ("gone-a", None, 1)]
    assert "storage/gone-a: storage has no gone stack." in capsys.readouterr().err


def test_old_ones_are_destroyed_and_one_that_can_not_be_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, young = datetime.now(UTC) - timedelta(days=4), datetime.now(UTC)
    deployment = Deployed(
        {"storage/dev-a": old, "processing/dev-a": old, "storage/qa-b": old, "storage/dev-c": young, "storage/dev": old}
    )
    monkeypatch.setattr(instances_command, "open_projects", lambda _where: None)
    monkeypatch.setattr(instances_command, "open_deployment", lambda _projects, **_: nullcontext(deployment))
    with pytest.raises(SystemExit) as ended:
        instances_command.instances("3d", yes=True, where=Where(local=True), as_json=True)
    assert ended.value.code == 1
    assert deployment.destroyed == ["storage/dev-a", "storage/qa-b"]
    told = json.loads(capsys.readouterr().out)
    assert [one["environment"] for one in told["instances"]] == ["dev-a", "qa-b"]
    assert told["failed"] == {"processing/dev-a": "AWS refuses."}


def test_what_reads_from_another_stack_goes_before_it() -> None:
    stacks = [StackId("storage", "dev-a"), StackId("replication", "prod-a"), StackId("processing", "dev-a")]
    assert list(map(str, destruction_order(stacks))) == ["replication/prod-a", "processing/dev-a", "storage/dev-a"]


def test_a_stack_was_made_when_the_first_of_it_was() -> None:
    resources = [{"created": "2026-03-01T10:00:00.123456789Z"}, {}, {"created": "2026-02-28T23:59:59Z"}]
    assert first_made(resources) == datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    assert first_made([{}]) is None


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("3d", 259_200)])
def test_an_age_is_read_as_it_is_written(text: str, length: int) -> None:
    assert age_of(text, "--prune") == timedelta(seconds=length)
    assert age_of(written(timedelta(seconds=length)), "") <= timedelta(seconds=length)


@pytest.mark.parametrize("text", ["", "3", "d", "-1d", "1w", "1.5d"])
def test_what_is_no_age_is_misuse(text: str) -> None:
    with pytest.raises(OperatorError, match=f"^--prune {text} is no length of time") as info:
        age_of(text, "--prune")
    assert info.value.exit_code == MISUSED

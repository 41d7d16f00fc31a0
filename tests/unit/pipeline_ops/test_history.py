"""The history of a stack's deploys, in a folder, in S3, and where none can be kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from pipeline_ops import cli
from pipeline_ops.backend_files import files_of
from pipeline_ops.errors import OperatorError
from pipeline_ops.history import (
    DEPLOY,
    DONE,
    FAILED,
    JUDGED,
    ROLLBACK,
    DeployRecord,
    History,
    recorded_spec,
    version_before,
)
from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend

STACK = StackId("replication", "prod")
FUNCTION = "route-dev-replicator"


def a_record(at: str = "2026-11-28T10:00:00+00:00", what: str = DEPLOY, **more: Any) -> DeployRecord:
    return DeployRecord(what=what, at=at, who="somebody", release="v1.4.0", **more)


def moved(before: str, after: str, what: str = DEPLOY) -> DeployRecord:
    return a_record(what=what, before={FUNCTION: before}, after={FUNCTION: after})


@pytest.fixture(params=["a folder", "a bucket", "a bucket's folder"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    if request.param == "a folder":
        yield Backend(f"{tmp_path.as_uri()}?metadata=skip")
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="states")
        yield Backend(f"s3://states{'/of/us' if 'folder' in request.param else ''}?region=us-east-1")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def history(backend: Backend, said: list[str]) -> History:
    return History(backend, STACK, said.append)


def put_state(history: History, version: str) -> None:
    alias = {"type": "aws:lambda/alias:Alias", "urn": f"::{FUNCTION}-live", "outputs": {"functionVersion": version}}
    function = {
        "type": "aws:lambda/function:Function",
        "urn": f"::{FUNCTION}",
        "outputs": {"codeSha256": f"of {version}"},
    }
    exported = {"dev_spec": {"release": f"of {version}"}, "dev_version": version}
    root = {"type": "pulumi:pulumi:Stack", "urn": "::replication-prod", "outputs": exported}
    state = {"version": 3, "checkpoint": {"latest": {"resources": [root, function, alias]}}}
    files_of(history.backend).write(".pulumi/stacks/replication/prod.json", json.dumps(state))


def test_records_come_back_the_newest_first_and_each_stack_has_its_own(history: History, said: list[str]) -> None:
    former, latter = a_record(), a_record("2026-11-28T11:00:00+01:00", routes=("dev",), seconds=4.2)
    newest = a_record("2026-11-28T10:00:00.500+00:00")
    for record in (former, newest, latter):
        history.append(record)
    assert next(history.records()) == newest
    assert sorted(record.at for record in history.records()) == sorted(each.at for each in (former, latter, newest))
    assert not list(History(history.backend, StackId("replication", "prod-pr1"), said.append).records())
    assert not said


def test_a_deploy_is_recorded_with_what_it_made_live(history: History) -> None:
    put_state(history, "11")
    with history.recording("somebody", "v1.4.0", ("dev",)):
        put_state(history, "12")
    (record,) = history.records()
    assert (record.what, record.who, record.release, record.routes) == (DEPLOY, "somebody", "v1.4.0", ("dev",))
    assert (record.before, record.after) == ({FUNCTION: "11"}, {FUNCTION: "12"})
    assert (record.result, record.digest) == (DONE, {FUNCTION: "of 12"})
    assert recorded_spec([record], "dev", "12") == {"release": "of 12"}
    assert recorded_spec([record], "dev", "11") is None


def test_a_deploy_that_failed_is_recorded_with_why(history: History) -> None:
    with pytest.raises(OperatorError), history.recording("somebody", "v1.4.0", ()):
        raise OperatorError("it is locked " + "x" * 1000)
    (record,) = history.records()
    assert (record.result, record.said[:12], len(record.said)) == (FAILED, "it is locked", 500)


def test_a_record_that_can_not_be_read_is_told_and_stops_no_other(history: History, said: list[str]) -> None:
    history.append(a_record())
    odd = {"d": json.dumps({**a_record().document(), "said": 5}), "e": "[" * 100_000}
    for name, content in {"a": "{", "b": "[]", "c": '{"schema": "pipeline.deploy/2"}', **odd}.items():
        files_of(history.backend).write(f"deploys/replication/prod/{name}.json", content)
    assert list(history.records()) == [a_record()]
    assert len(said) == 5
    assert all("can't be read, and is left out" in sentence for sentence in said)


def test_a_record_that_was_being_written_when_its_command_was_killed_is_none(tmp_path: Path, said: list[str]) -> None:
    history = History(Backend(tmp_path.as_uri()), STACK, said.append)
    history.append(a_record())
    (tmp_path / "deploys" / "replication" / "prod" / ".20261128T100000.json.new").touch()
    assert list(history.records()) == [a_record()]
    assert not said


def test_a_history_is_read_as_far_as_it_is_needed(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    for second in range(3):
        history.append(a_record(f"2026-11-28T10:00:0{second}+00:00"))
    records = history.records()
    assert next(records).at == "2026-11-28T10:00:02+00:00"
    monkeypatch.setattr(DeployRecord, "parse", lambda _: pytest.fail("another one was read"))
    with pytest.raises(pytest.fail.Exception):
        next(records)


def test_what_was_done_to_a_former_function_of_the_name_is_of_no_account(history: History) -> None:
    made = replace(moved("", "2"), before={}, at="2026-11-28T11:00:00+00:00")
    history.append(moved("1", "2"))
    history.append(made)
    assert list(history.of_function(FUNCTION)) == [made]


def test_a_record_that_can_not_be_written_is_told_and_the_deploy_goes_on(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "deploys").write_text("a file is in the way")
    done = []
    with History(Backend(tmp_path.as_uri()), STACK, said.append).recording("somebody", "v1.4.0", ()):
        done.append("deployed")
    assert done
    assert "The history of replication/prod lacks this deploy, which could not be written" in said[0]


def test_where_only_pulumi_knows_the_backend_it_is_told_that_no_history_is_kept(said: list[str]) -> None:
    history = History(Backend("https://api.pulumi.com"), STACK, said.append)
    history.append(a_record())
    assert list(history.records()) == []
    assert set(said) == {"No history of replication/prod is kept at https://api.pulumi.com: only in a folder or in S3."}


def test_the_version_before_is_the_one_that_a_deploy_replaced_and_never_one_that_was_found_bad() -> None:
    first, bad, back = moved("10", "11"), moved("11", "12"), moved("12", "11", ROLLBACK)
    held, mended = moved("11", "11"), moved("11", "14")
    records = [mended, held, back, bad, first]
    assert version_before(records, FUNCTION, "14") == "11"
    assert version_before(records[1:], FUNCTION, "11") == "10"
    assert version_before(records, FUNCTION, "7") is None


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_command_shows_what_was_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", tmp_path.as_uri())
    assert "Nothing is known of deploys" in run("replication", "prod").stdout
    history = History(Backend(tmp_path.as_uri()), STACK, print)
    history.append(a_record(what=ROLLBACK, routes=("dev",), before={FUNCTION: "12"}, after={FUNCTION: "11"}))
    shown = run("replication", "prod", *options).stdout
    if options:
        (record,) = json.loads(shown)["records"]
        assert (record["what"], record["routes"], record["after"]) == (ROLLBACK, ["dev"], {FUNCTION: "11"})
    else:
        assert all(each in shown for each in ("rollback", "v1.4.0", f"{FUNCTION} 12 -> 11", "somebody"))


def test_what_was_judged_is_shown_as_well_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", tmp_path.as_uri())
    history = History(Backend(tmp_path.as_uri()), STACK, print)
    history.append(a_record(what=JUDGED, result=FAILED, said="dead letters: 2"))
    assert "not well: dead letters: 2" in run("replication", "prod").stdout


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ["history", *arguments])

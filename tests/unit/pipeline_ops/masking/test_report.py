"""The report of a route's masking: complete, escaped, and without a value of production."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline_ops import cli
from pipeline_ops.history import History
from pipeline_ops.masking import report_command
from pipeline_ops.masking.activation import Activation, Activations
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.report import last_verification
from pipeline_ops.projects import StackId
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.state import Backend
from replication_core.comparing.sides import Sides
from replication_core.masking.policy import MaskingPolicy
from tests.unit.pipeline_ops.masking.conftest import a_policy, masked_spec
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.routes.test_dead_letters import envelope, put

SECRET = "zebra-quartz-7391"
STACK = StackId("replication", "prod")


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend((tmp_path / "state").as_uri())


@pytest.fixture
def deployed(world: World, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployedReplication:
    policy = a_policy()
    policy["buckets"]["objects"]["rules"][1]["match"] = "<script>/**"
    world.specs["dev"] = masked_spec(world, buckets=policy["buckets"])
    (tmp_path / "checkout").mkdir()
    deployed = DeployedReplication(
        replication=world.replication,
        dead_letters=world.dead_letters,
        history=History(backend, STACK, lambda _: None),
        repository=tmp_path / "checkout",
        quiet_seconds=0,
    )

    def of(_: object, sides: Sides, policy: MaskingPolicy) -> Previewer:
        return Previewer(sides=sides, policy=policy, root=b"\1" * 32, is_own_key=True)

    monkeypatch.setattr(report_command, "deployed_replication", lambda _: deployed)
    monkeypatch.setattr(Previewer, "of", of)
    return deployed


def written(tmp_path: Path, *options: str) -> tuple[dict[str, Any], str]:
    path = tmp_path / "dev.json"
    answer = CliRunner().invoke(cli.cli, ["mask", "report", "dev", "--report", str(path), *options])
    assert answer.exit_code == 0, answer.output
    assert f"The report: {path}" in answer.stdout
    page = path.with_suffix(".html").read_text()
    assert SECRET not in path.read_text() + page + answer.output
    return json.loads(path.read_text()), page


def test_the_report_has_the_policy_what_it_makes_and_what_it_refused(
    world: World, deployed: DeployedReplication, tmp_path: Path
) -> None:
    attributes: Any = {"note": {"S": SECRET}}
    world.put_item("a", **attributes)
    unknown: Any = {SECRET: {"S": SECRET}}
    world.put_item("b", **unknown)
    world.put("<script>/a", SECRET.encode())
    for number in (3, 4):
        put(world, envelope(type_="Unclassified", message=f"record {number}, note, policy line 6: has a value"))
    told, page = written(tmp_path)
    assert told["policy"]["tables"]["items"]["attributes"] == [["note", {"rule": "drop", "line": 6}]]
    assert {each["dataset"] for each in told["fingerprints"]} == {"items", "objects"}
    assert told["sample"]["records"] == {"objects": 1, "items": 2}
    assert [each["records"] for each in told["sample"]["refused"]] == [1]
    values = {(each["place"], each["rule"], each["outcome"]): each["values"] for each in told["sample"]["values"]}
    assert values["note", "drop", "dropped"] == 1
    assert values["id", "pseudonym", "masked"] == 2
    assert told["refusals"] == {"note, policy line 6: has a value": 2}
    assert told["protection"]["protection"] == "unsafe"
    assert "<script>" not in page
    assert "&lt;script&gt;/**" in page


def test_everything_is_counted_where_that_is_asked_for_and_the_report_says_which_it_was(
    world: World, deployed: DeployedReplication, tmp_path: Path
) -> None:
    for number in range(130):
        world.put_item(f"{number}", note={"S": SECRET})
        world.put(f"<script>/{number}")
    few, page = written(tmp_path, "--keys", "7")
    assert not few["sample"]["is_everything"]
    assert max(few["sample"]["records"].values()) <= 7, "a walk that begins near the end finds fewer"
    assert "What becomes of a sample of production" in page
    told, page = written(tmp_path, "--keys", "7", "--all")
    assert (told["sample"]["records"], told["sample"]["is_everything"]) == ({"objects": 130, "items": 130}, True)
    values = {(each["place"], each["outcome"]): each["values"] for each in told["sample"]["values"]}
    assert (values["note", "dropped"], values["id", "masked"], values["body", "kept"]) == (130, 130, 130)
    assert "What becomes of all records of production" in page


def test_the_report_has_the_activation_and_the_last_comparison(
    world: World, deployed: DeployedReplication, backend: Backend, tmp_path: Path
) -> None:
    policy = MaskingPolicy.parse(json.loads(world.specs["dev"]["masking"]))
    at = "2026-11-27T10:00:00+00:00"
    kept = ({"store": "dev-data", "what": "point-in-time recovery", "until": "2027-01-01T00:00:00+00:00"},)
    done = Activation(target="dev", policy=policy.digest, by="somebody", begun=at, done={"verify": at}, kept=kept)
    Activations(backend, STACK).keep(done)
    folder = deployed.folder("verify")
    (folder / "dev-20261127T100000Z.jsonl").write_text('{"verdict": "missing"}\n{"verdict": "missing"}\n')
    told, page = written(tmp_path)
    assert told["verified"]["found"] == {"missing": 2}
    assert told["activation"]["kept"][0]["what"] == "point-in-time recovery"
    assert told["protection"] == {"protection": "masked", "why": ""}
    assert "2027-01-01T00:00:00+00:00" in page


def test_a_comparison_that_can_not_be_read_is_passed_over(tmp_path: Path) -> None:
    assert last_verification(tmp_path, "dev") is None
    (tmp_path / "dev-1.jsonl").write_text('{"verdict": "extra"}\n')
    (tmp_path / "dev-2.jsonl").write_text("not JSON\n")
    found = last_verification(tmp_path, "dev")
    assert found is not None
    assert found.found == {"extra": 1}


def test_a_route_that_masks_nothing_has_no_report(world: World, deployed: DeployedReplication) -> None:
    answer = CliRunner().invoke(cli.cli, ["mask", "report", "staging"])
    assert (answer.exit_code, "masks nothing" in answer.stderr) == (2, True)

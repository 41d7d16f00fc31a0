"""The steps of an application: each is done once and recorded, and a run that was cut off is gone on with."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline_ops.errors import OperatorError
from pipeline_ops.history import History
from pipeline_ops.masking.activation import Activation, Activations, ActivationStep
from pipeline_ops.masking.apply import Application
from pipeline_ops.projects import StackId
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.selection import Selection
from pipeline_ops.routes.verification import Verification
from pipeline_ops.state import Backend
from replication_core.comparing.findings import Verdict
from replication_core.masking.policy import MaskingPolicy
from tests.unit.pipeline_ops.masking.conftest import masked_spec
from tests.unit.pipeline_ops.routes.conftest import World

STACK = StackId("replication", "prod")
STEPS = [step.value for step in ActivationStep]


class KilledError(Exception):
    """What ends a run in the middle."""


class Applied(Application):
    """Steps that only say that they were done."""

    done: list[str]
    killed_in: str = ""

    def step(self, name: str) -> Mapping[str, Any]:
        if name == self.killed_in:
            raise KilledError
        self.done.append(name)
        return {}

    def _pause(self, _: Activation) -> Mapping[str, Any]:
        return self.step("pause")

    def _resume(self, _: Activation) -> Mapping[str, Any]:
        return self.step("resume")

    def _drain(self, _: Activation) -> Mapping[str, Any]:
        return self.step("drain")

    def _mask(self, _: Activation) -> Mapping[str, Any]:
        return self.step("mask")

    def _clear(self, _: Activation) -> Mapping[str, Any]:
        return self.step("clear")

    def _verify(self, _: Activation) -> Mapping[str, Any]:
        return self.step("verify")


@pytest.fixture
def activations(tmp_path: Path) -> Activations:
    return Activations(Backend(tmp_path.as_uri()), STACK)


@pytest.fixture
def application(world: World, activations: Activations, policy: MaskingPolicy, tmp_path: Path) -> Applied:
    """The route masks once it is deployed."""

    def deployed() -> DeployedReplication:
        return DeployedReplication(
            replication=world.replication,
            dead_letters=world.dead_letters,
            history=History(activations.backend, STACK, lambda _: None),
            repository=tmp_path,
            quiet_seconds=0,
        )

    def deploy() -> None:
        made.step("deploy")
        world.specs["dev"] = masked_spec(world)

    made = Applied(
        target="dev",
        deployed=deployed,
        deploy=deploy,
        wanted=policy.digest,
        activations=activations,
        by="somebody",
        say=lambda _: None,
        pause=lambda _: None,
    )
    made.done = []
    return made


def test_every_step_is_done_in_its_order_and_recorded(application: Applied, activations: Activations) -> None:
    done = application.run()
    assert application.done == STEPS
    assert list(done.done) == STEPS
    assert activations.find("dev") == done
    assert done.ended is not None


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_killed_in_a_step_is_gone_on_with_there(
    application: Applied, activations: Activations, step: str
) -> None:
    application.killed_in = step
    with pytest.raises(KilledError):
        application.run()
    left = activations.find("dev")
    assert left is not None
    assert (list(left.done), left.ended) == (STEPS[: STEPS.index(step)], None)
    application.killed_in = ""
    application.done.clear()
    assert application.run().begun == left.begun
    assert application.done == STEPS[STEPS.index(step) :]


def test_a_run_whose_policy_is_no_longer_deployed_is_begun_anew(application: Applied, world: World) -> None:
    application.killed_in = "clear"
    with pytest.raises(KilledError):
        application.run()
    world.specs["dev"] = masked_spec(world, generation=2)
    assert application.left() is None
    application.killed_in = ""
    application.done.clear()
    application.run()
    assert application.done == STEPS


def test_what_was_applied_once_is_applied_anew_when_it_is_asked_for(application: Applied) -> None:
    application.run()
    application.done.clear()
    application.run()
    assert application.done == STEPS


@pytest.mark.parametrize("spec", [{}, {"generation": 2}])
def test_a_route_that_is_deployed_with_another_policy_or_none_ends_it(
    application: Applied, world: World, spec: dict[str, Any]
) -> None:
    def deploy() -> None:
        world.specs["dev"] = masked_spec(world, **spec) if spec else world.settings.spec.document()

    application.deploy = deploy
    with pytest.raises(OperatorError, match="is not deployed with the policy that is applied to it"):
        application.run()


def test_a_run_for_another_policy_than_is_configured_now_is_begun_anew(
    application: Applied, activations: Activations
) -> None:
    at = "2026-11-27T10:00:00+00:00"
    activations.keep(Activation(target="dev", policy="another", by="x", begun=at, done={"pause": at}))
    application.run()
    assert application.done == STEPS


def test_a_held_route_is_not_touched(application: Applied, world: World) -> None:
    hold = {"version": "3", "release": "v1.3.0", "from_release": "v1.4.0", "by": "x", "at": "2026-11-27T10:00:00"}
    world.holds["dev"] = hold
    with pytest.raises(OperatorError, match=r"is held at v1\.3\.0 \(3\): end that first, `nox -s deploy.*--end-holds`"):
        Application.run(own_steps(application))
    assert world.functions.asked == []


def own_steps(application: Applied) -> Application:
    """Return it with the steps that it has by itself."""
    names = ("target", "deployed", "deploy", "wanted", "activations", "by", "say")
    told: Any = {name: getattr(application, name) for name in names}
    return Application(**told)


def made_key() -> str:
    key = boto3.client("kms", "us-east-1").create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    return str(key["KeyMetadata"]["Arn"])


def test_a_paused_route_is_waited_for_until_what_it_had_begun_is_over(application: Applied, world: World) -> None:
    world.functions.mappings["dev-event_source_mapping_id"]["State"] = "Disabled"
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="begun")
    world.sqs.receive_message(QueueUrl=world.url("dev"))
    waits: list[float] = []
    seconds = iter(range(10_000))
    own = own_steps(application)
    own.pause, own.clock = waits.append, lambda: float(next(seconds))
    world.functions.timeout = 60
    own._pause(Activation(target="dev", policy="", by="x", begun=""))
    assert 20 < len(waits) < 60, "as long as the function may take at most"


def test_where_leftovers_can_not_be_deleted_it_is_said_and_the_step_is_not_done(
    application: Applied, world: World, activations: Activations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObject")

    world.specs["dev"] = {**masked_spec(world), "mask_key_arn": made_key()}
    world.put("a", bucket="dev-data", Metadata={"replicated-from": "prod"})
    monkeypatch.setattr(world.s3, "delete_object", refused)
    own = own_steps(application)
    at = "2026-11-27T10:00:00+00:00"
    begun = Activation(target="dev", policy="", by="x", begun=at, done={"deploy": at})
    with pytest.raises(OperatorError) as failed:
        own._clear(begun)
    assert failed.value.details == ("1 in dev-data: AccessDenied: DeleteObject: no",)


def test_what_was_cleared_and_what_holds_former_data_still_is_recorded(application: Applied, world: World) -> None:
    world.specs["dev"] = {**masked_spec(world), "mask_key_arn": made_key()}
    world.put("a", bucket="dev-data", Metadata={"replicated-from": "prod"})
    mark: Any = {"replicatedFrom": {"S": "prod"}}
    world.put_item("alice", table="dev-data", **mark)
    world.dynamodb.update_continuous_backups(
        TableName="dev-data", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    world.dynamodb.create_backup(TableName="dev-data", BackupName="monthly")
    own = own_steps(application)
    at = "2026-11-27T10:00:00+00:00"
    told = own._clear(Activation(target="dev", policy="", by="x", begun=at, done={"deploy": at}))
    assert told["cleared"]["objects"]["deleted"] == {"objects": 1}
    assert told["cleared"]["items"]["deleted"] == {"items": 1}
    kept = {each["what"]: each["until"] for each in told["kept"]}
    assert kept["point-in-time recovery"] is not None
    assert "the backup monthly" in kept
    recorded = replace(Activation(target="dev", policy="", by="x", begun=at), **told)
    assert Activation.parse(json.loads(json.dumps(recorded.document()))) == recorded


def test_where_replicas_are_of_another_policy_still_all_is_done_anew_from_the_resumption_on(
    application: Applied, activations: Activations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The brake is lifted again, which would hold in the middle."""
    application.killed_in = "verify"
    with pytest.raises(KilledError):
        application.run()
    left = activations.find("dev")
    assert left is not None
    found = Verification(
        selection=Selection(parts=()), masks=True, quick=False, deep=False, report=tmp_path, worked_off=True
    )
    found.tally.counts[Verdict.STALE] = 1
    asked: list[Any] = []

    def verified(*_: Any, **how: Any) -> Verification:
        asked.append(how["deep"])
        return found

    monkeypatch.setattr("pipeline_ops.masking.apply.verify", verified)
    own = own_steps(application)
    own.deep = True
    with pytest.raises(OperatorError, match="Found 1 replica of another policy"):
        own._verify(left)
    assert asked == [True]
    again = activations.find("dev")
    assert again is not None
    assert list(again.done) == ["pause", "deploy"]
    found.tally.counts = Counter({Verdict.MISSING: 2, Verdict.EXTRA: 3, Verdict.REFUSED: 4})
    found.tally.own = 3
    told = own_steps(application)._verify(left)
    assert told == {"found": {"missing": 2, "extra": 3, "refused": 4}, "drift": 2}, "the target's own is none"

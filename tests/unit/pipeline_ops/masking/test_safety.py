"""Whether a target is safe: by the activations and the history beside the state of the stack."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_ops.backend_files import files_of
from pipeline_ops.errors import OperatorError
from pipeline_ops.history import DEPLOY, FAILED, ROLLBACK, DeployRecord, History
from pipeline_ops.masking.activation import Activation, Activations, ActivationStep
from pipeline_ops.masking.safety import Protection, Safety, safety_of
from pipeline_ops.projects import StackId
from pipeline_ops.routes.status import read_status, status_view
from pipeline_ops.state import Backend
from pipeline_ops.terminal import show
from pipeline_ops.where import AWS
from replication_core.masking.policy import MaskingPolicy
from tests.unit.pipeline_ops.masking.conftest import masked_spec
from tests.unit.pipeline_ops.routes.conftest import World

FUNCTION = "route-dev-replicator"
STACK = StackId("replication", "prod")
HOURS = [f"2026-11-27T{hour:02}:00:00+00:00" for hour in range(24)]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Backend(tmp_path.as_uri()), STACK, lambda _: None)


@pytest.fixture
def masks(world: World) -> Mapping[str, Any]:
    world.specs["dev"] = masked_spec(world)
    return world.specs["dev"]


def deployed(history: History, at: str, before: str, after: str, spec: Mapping[str, Any] | None, **more: Any) -> None:
    told: dict[str, Any] = {"what": DEPLOY, "at": at, "who": "somebody", "release": "v1.4.0", **more}
    versions: Any = {"before": {FUNCTION: before} if before else {}, "after": {FUNCTION: after}}
    history.append(DeployRecord(**told, **versions, specs={"dev": spec} if spec else {}))


def activated(history: History, policy: MaskingPolicy, *, ended: str = "", **more: Any) -> None:
    done = {step.value: HOURS[3] for step in (ActivationStep.PAUSE, ActivationStep.DEPLOY)} | (
        {"verify": ended} if ended else {}
    )
    activation = Activation(target="dev", policy=policy.digest, by="somebody", begun=HOURS[2], done=done)
    Activations(history.backend, STACK).keep(replace(activation, **more))


def seen(world: World, history: History) -> Safety:
    return safety_of(world.replication.route("dev"), history, AWS)


def protection(world: World, history: History) -> Protection:
    return seen(world, history).protection


def test_a_route_that_copies_as_it_is_says_why(world: World, history: History) -> None:
    spec = replace(world.settings.spec, unmasked_reason="no person is in it")
    world.specs["dev"] = spec.document()
    assert str(seen(world, history)) == "unmasked: no person is in it"
    world.specs["dev"] = {}
    world.functions.variables["dev:live"] = {}
    assert protection(world, history) is Protection.UNMASKED, "a former release's contract has no specification"


def test_a_policy_over_what_was_there_is_unsafe_until_its_activation_is_done(
    world: World, history: History, masks: Mapping[str, Any], policy: MaskingPolicy
) -> None:
    deployed(history, HOURS[1], "", "1", world.settings.spec.document())
    deployed(history, HOURS[3], "1", "2", masks)
    found = seen(world, history)
    assert found.protection is Protection.UNSAFE
    assert "`nox -s mask -- apply dev`" in found.why
    activated(history, policy)
    found = seen(world, history)
    assert found.protection is Protection.UNSAFE
    assert "ended after deploy: `nox -s mask -- apply dev` goes on" in found.why
    activated(history, policy, ended=HOURS[4])
    assert protection(world, history) is Protection.MASKED


def test_a_route_that_has_masked_from_its_first_deploy_on_is_safe(
    world: World, history: History, masks: Mapping[str, Any]
) -> None:
    assert protection(world, history) is Protection.UNSAFE, "nothing tells"
    deployed(history, HOURS[1], "", "1", masks)
    assert protection(world, history) is Protection.MASKED
    deployed(history, HOURS[2], "1", "2", masks)
    assert protection(world, history) is Protection.MASKED


def test_a_route_whose_first_deploy_nobody_recorded_is_unsafe(
    world: World, history: History, masks: Mapping[str, Any]
) -> None:
    deployed(history, HOURS[2], "1", "2", masks)
    assert protection(world, history) is Protection.UNSAFE


@pytest.mark.parametrize(
    "since",
    [
        lambda world: {"spec": world.settings.spec.document()},
        lambda world: {"spec": masked_spec(world, generation=2)},
        lambda world: {"spec": None, "what": ROLLBACK},
        lambda world: {"spec": masked_spec(world), "result": FAILED},
    ],
    ids=["none", "another policy", "a way back to nobody knows what", "a deploy that failed halfway"],
)
def test_what_was_live_since_makes_it_unsafe_again(
    world: World, history: History, masks: Mapping[str, Any], policy: MaskingPolicy, since: Any
) -> None:
    deployed(history, HOURS[1], "", "1", masks)
    activated(history, policy, ended=HOURS[4])
    deployed(history, HOURS[5], "1", "2", **since(world))
    deployed(history, HOURS[6], "2", "3", masks)
    assert protection(world, history) is Protection.UNSAFE
    activated(history, policy, ended=HOURS[7])
    assert protection(world, history) is Protection.MASKED


def test_what_changes_no_replica_makes_nothing_unsafe(
    world: World, history: History, masks: Mapping[str, Any], policy: MaskingPolicy
) -> None:
    activated(history, policy, ended=HOURS[4])
    other = masked_spec(world, brake={"deletes": 5, "share": None, "minutes": 1})
    deployed(history, HOURS[5], "1", "2", other)
    deployed(history, HOURS[6], "2", "2", masks, result=FAILED)
    assert protection(world, history) is Protection.MASKED


def test_where_no_record_can_be_kept_nothing_is_claimed(
    world: World, history: History, masks: Mapping[str, Any]
) -> None:
    elsewhere = replace(history, backend=Backend("https://api.pulumi.com"))
    assert protection(world, elsewhere) is Protection.UNKNOWN
    with pytest.raises(OperatorError, match="only in a folder or in S3"):
        Activations(elsewhere.backend, STACK).keep(Activation(target="dev", policy="", by="somebody", begun=HOURS[0]))


def test_a_damaged_record_is_told_with_its_name(world: World, history: History, masks: Mapping[str, Any]) -> None:
    files_of(history.backend).write("masking/replication/prod/dev.json", '{"schema": "pipeline.masking/1"}')
    with pytest.raises(OperatorError, match=r"masking/replication/prod/dev\.json at .* can't be read"):
        seen(world, history)


def test_status_says_what_somebody_has_to_do_and_of_an_unmasked_route_why(
    world: World, history: History, masks: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.specs["staging"] = replace(
        world.settings, target="staging", queue_url=world.url("staging")
    ).spec.document() | {"unmasked_reason": "no person is in it"}
    status = read_status(world.replication, None, world.dead_letters, history=history)
    dev, staging = status.routes
    (problem,) = dev.problems
    assert problem.startswith("unsafe: what was replicated before the policy may be there still")
    assert (staging.problems, staging.exported()["masking"]["protection"]) == ([], "unmasked")
    assert not status.healthy
    show(status_view(status))
    assert "staging: unmasked: no person is in it" in capsys.readouterr().out

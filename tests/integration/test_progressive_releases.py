"""Releases that go from route to route, and back where they are not well, by the real engine and deployed functions.

The emulator counts no invocations by version, measures no lag, and sends all invocations of an alias with weights to
its first version: what is judged by figures, and that a part of the work goes to a release, is only seen on AWS.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import local_cloud
from pipeline_common.infra.part import Part
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import INTERRUPTED, OperatorError
from pipeline_ops.history import DEPLOY, DONE, FAILED, JUDGED, ROLLBACK
from pipeline_ops.projects import StackId
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import dead_letters
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.progressive import ProgressiveDeploy, Rollout
from pipeline_ops.routes.rollback import read_versions, roll_back
from pipeline_ops.routes.route import Route
from pipeline_ops.state import folder_backend
from replication_core.datasets import ITEMS
from tests.former_release import former_sources
from tests.integration.mirror import TARGETS, Mirror
from tests.integration.releases import BREAKS_ITEMS, SLOW, WRONG_ITEMS, Change, Checkout
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

REPLICATION = StackId("replication", "prod")


@dataclass
class Released:
    """The replication in a cloud of its own, as its releases are deployed one after the other."""

    checkout: Checkout
    deployment: Deployment
    mirror: Mirror
    minor: int = 0

    def release(self, change: Change | None = None, *, code: Path | None = None) -> str:
        self.minor += 1
        version = f"v1.{self.minor}.0"
        self.checkout.release(version, change, code)
        return version

    def deploy(self) -> Rollout:
        """Deploy the last release route by route."""
        return self.progressive().run(TARGETS, whole=True)

    def progressive(self, weight: int | None = None, *, say: Callable[[str], None] = print) -> ProgressiveDeploy:
        return ProgressiveDeploy(
            deployment=self.deployment, stack=REPLICATION, weight=weight, ends_holds=False, say=say
        )

    @property
    def deployed(self) -> DeployedReplication:
        return self.progressive()._deployed()  # as it reads it after each deploy

    def route(self, target: str) -> Route:
        return self.deployed.replication.route(target)

    def live(self, target: str) -> str:
        """The release that the route's live alias is of."""
        deployed = self.deployed
        return str(read_versions(deployed.replication, deployed.replication.route(target)).live.release)

    def letters(self) -> list[str]:
        with dead_letters(self.deployed.dead_letters) as held:
            return [f"{letter.target}: {letter.reason}" for letter in held.letters]

    def put(self, name: str) -> None:
        """Change production: an object and an item."""
        self.mirror.put(f"{name}.txt", name.encode())
        self.mirror.put_item(name, "1", value={"S": name})

    def wait_until_mirrored(self, *names: str) -> None:
        for name in names:
            self.mirror.wait_until_mirrored(f"{name}.txt")
            self.mirror.wait_until_item_mirrored(name, "1")


@pytest.fixture(scope="module")
def released(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The first release, deployed, with some data in production and in its replicas."""
    del engine  # without one these are skipped
    checkout = Checkout.made(tmp_path_factory.mktemp("checkout"))
    checkout.release("v1.0.0")
    backend = folder_backend(tmp_path_factory.mktemp("state"))
    with (
        local_cloud.start(region="us-east-1") as cloud,
        Deployment(checkout.folder, cloud, backend=backend) as deployment,
    ):
        outputs: dict[str, Mapping[str, Any]] = {}
        for environment in ("prod", *TARGETS):
            outputs[f"storage/{environment}"] = deployment.up("storage", environment).outputs
        outputs["replication/prod"] = deployment.up("replication", "prod").outputs
        made = Released(checkout, deployment, Mirror(cloud, outputs))
        for number in range(5):
            made.put(f"first/{number}")
        made.wait_until_mirrored(*(f"first/{number}" for number in range(5)))
        yield made


def versions_of(released: Released) -> dict[str, str]:
    return {target: released.live(target) for target in TARGETS}


def test_a_good_release_goes_through_every_route_and_is_recorded(released: Released) -> None:
    version = released.release()
    progress = released.deploy()
    assert progress.well, progress.exported()
    assert [(each.target, each.release) for each in progress.judgements] == [(target, version) for target in TARGETS]
    assert all(len(each.exercised.keys) >= 2 for each in progress.judgements)
    assert versions_of(released) == dict.fromkeys(TARGETS, version)
    newest = [(each.what, tuple(each.routes), each.result) for each in list(released.deployed.history.records())[:5]]
    assert newest == [
        (DEPLOY, (), DONE),
        (JUDGED, ("staging",), DONE),
        (DEPLOY, ("staging",), DONE),
        (JUDGED, ("dev",), DONE),
        (DEPLOY, ("dev",), DONE),
    ]
    released.put("after/good")
    released.wait_until_mirrored("after/good")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (BREAKS_ITEMS, "could not be reconciled"),
        (SLOW, "gave no answer"),
        (WRONG_ITEMS, "wrong replica"),
    ],
    ids=["fails for one kind of key", "is slow", "makes wrong replicas"],
)
def test_a_bad_release_stops_at_the_first_route_which_goes_back_by_itself_and_nothing_is_lost(
    released: Released, change: Change, fault: str
) -> None:
    before = versions_of(released)
    staging = released.route("staging").outputs
    bad = released.release(change)
    progress = released.deploy()
    assert not progress.well
    (judgement,) = progress.judgements
    assert (judgement.target, judgement.release) == ("dev", bad)
    assert any(fault in each for each in judgement.faults), judgement.faults
    assert progress.back is not None
    assert versions_of(released) == before
    assert released.route("staging").outputs == staging, "it never saw the release"
    assert released.route("dev").outputs.held["from_release"] == bad
    records = list(released.deployed.history.records())
    assert [(each.what, each.result) for each in records[:2]] == [(ROLLBACK, DONE), (JUDGED, FAILED)]
    name = f"after/{bad}"
    released.put(name)
    released.wait_until_mirrored(name, *(f"first/{number}" for number in range(5)))
    assert released.letters() == []


def test_after_a_rollback_the_same_release_is_refused_a_refresh_moves_nothing_and_a_newer_one_ends_it(
    released: Released,
) -> None:
    if not released.route("dev").outputs.held:
        released.release(BREAKS_ITEMS)
        assert not released.deploy().well
    before = versions_of(released)
    with pytest.raises(OperatorError, match="The route to dev is held at"):
        released.deploy()
    assert released.deployment.refresh("replication", "prod").unchanged
    assert versions_of(released) == before
    version = released.release()
    released.deployment.up("replication", "prod", Part(routes=("dev",)))
    assert versions_of(released) == {**before, "dev": version}
    assert released.route("dev").outputs.held == {}


def test_an_interrupted_deploy_is_gone_on_with_by_the_same_command(released: Released) -> None:
    version = released.release()

    def interrupted(said: str) -> None:
        if said.startswith("Watching staging"):
            raise KeyboardInterrupt

    with pytest.raises(OperatorError, match="Interrupted while the route to staging was watched") as stopped:
        released.progressive(say=interrupted).run(TARGETS, whole=True)
    assert stopped.value.exit_code == INTERRUPTED
    progress = released.progressive().run(TARGETS, whole=False)
    assert progress.well
    assert [judgement.target for judgement in progress.judgements] == ["staging"], "dev was judged before"
    assert progress.judgements[0].former is not None
    assert versions_of(released) == dict.fromkeys(TARGETS, version)


def test_a_release_by_weight_is_declared_beside_the_former_one_and_has_all_the_work_when_it_is_well(
    released: Released,
) -> None:
    before = versions_of(released)
    version = released.release()
    seen: list[tuple[str, str, Mapping[str, float]]] = []

    def watch(said: str) -> None:
        if said.startswith("Watching dev"):
            route = released.route("dev")
            versions = read_versions(released.deployed.replication, route)
            alias = released.mirror.lambda_.get_alias(FunctionName=route.outputs.function_name, Name="live")
            weights = alias["RoutingConfig"]["AdditionalVersionWeights"]
            seen.append((str(versions.live.release), str(versions.newest.release), weights))

    progress = released.progressive(weight=10, say=watch).run(["dev"], whole=False)
    assert progress.well
    live, newest, weights = seen[0]
    assert (live, newest, list(weights.values())) == (before["dev"], version, [0.1])
    assert versions_of(released) == {**before, "dev": version}
    assert not read_versions(released.deployed.replication, released.route("dev")).shared


def test_a_rollback_under_load_is_done_in_seconds_and_the_queue_is_worked_off_by_the_former_version(
    released: Released,
) -> None:
    before = versions_of(released)
    released.release(BREAKS_ITEMS)
    released.deployment.up("replication", "prod", Part(routes=("dev",)))
    keys = [ITEMS.record(f"load-{number}", "1") for number in range(300)]
    for key in keys:
        released.mirror.put_item(*key.values, value={"S": str(key)})
    deployed = released.deployed
    route = deployed.replication.route("dev")
    versions = read_versions(deployed.replication, route)
    began = datetime.now(UTC)
    roll_back(
        deployed.replication,
        versions,
        versions.chosen(None, None),
        by="a tester",
        hold_in_state=partial(released.deployment.hold, "replication", "prod", "dev"),
        history=deployed.history,
    )
    assert (datetime.now(UTC) - began).total_seconds() < 20
    assert released.live("dev") == before["dev"]
    backlog = Backlog(replication=deployed.replication, route=route, quiet_seconds=2)
    assert backlog.worked_off(datetime.now(UTC), within=180)
    eventually(
        lambda: all(released.mirror.item_is_mirrored("dev", *key.values) for key in keys), what="every item in dev"
    )
    assert released.letters() == []


def test_a_route_of_the_release_before_works_beside_one_of_this_release(released: Released, tmp_path: Path) -> None:
    former = released.release(code=former_sources(tmp_path))
    progress = released.progressive().run(["dev"], whole=False)
    assert progress.well, "this release's operator understands its answers, contract and replicas"
    assert released.live("dev") == former
    released.put("beside")
    released.wait_until_mirrored("beside")
    for target in TARGETS:
        released.mirror.send_notice(target, "no notice")
    said = [f"{target}: PoisonNotice" for target in TARGETS]
    eventually(lambda: sorted(released.letters()) == said, what="a dead letter of each", within=60)

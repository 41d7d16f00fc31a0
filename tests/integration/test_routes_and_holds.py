"""A release reaches one route at a time, and a route goes back in one step and stays there.

By the real engine, into an emulator of this module's own. AWS takes a moment longer until all invocations follow an
alias, and enforces what the emulator does not: that is only seen there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import local_cloud
from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.infra.part import WHOLE, Part
from pipeline_common.release import Version
from pipeline_ops import deployment as engine_side
from pipeline_ops.backend_files import read_state
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import OperatorError
from pipeline_ops.history import version_before
from pipeline_ops.live_aliases import route_function
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.backlog import depth_of
from pipeline_ops.routes.rollback import read_versions, roll_back
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state_document import is_real
from tests.integration.repositories import copied_repository
from tests.polling import eventually
from tests.unmasked import unmasked

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

STACK = StackId("replication", "prod")
DEV = Part(routes=("dev",))
STAGING = Part(routes=("staging",))
MESSAGES = 250


@dataclass
class Site:
    """The replication of production, deployed from a checkout whose settings may be changed."""

    cloud: LocalCloud
    deployment: Deployment
    settings: Path

    def configure(self, **changed: Any) -> None:
        settings = yaml.safe_load(self.settings.read_text())
        settings["config"] |= {f"replication:{name}": value for name, value in changed.items()}
        settings["config"]["replication:targets"] = unmasked(settings["config"]["replication:targets"])
        self.settings.write_text(yaml.safe_dump(settings))

    def deploy(self, part: Part = WHOLE) -> set[str]:
        """Deploy, and return the names of the resources that changed, the stack's own and its components' aside."""
        before = self.resources()
        self.deployment.up("replication", "prod", part)
        after = self.resources()
        return {urn.rpartition("::")[2] for urn in before.keys() | after.keys() if before.get(urn) != after.get(urn)}

    def resources(self) -> dict[str, Any]:
        """What the state tells of everything in the cloud, by the engine's names."""
        resources = json.loads(read_state(self.deployment.backend, STACK) or b"")["checkpoint"]["latest"]["resources"]
        told = ("id", "inputs", "outputs", "protect")
        return {each["urn"]: {name: each.get(name) for name in told} for each in resources if is_real(each)}

    @property
    def outputs(self) -> StackOutputs:
        return StackOutputs(self.deployment.projects, self.deployment.backend)

    def exported(self) -> dict[str, Any]:
        return self.outputs.of(STACK)

    def routes(self) -> SourceRoutes:
        storage = self.outputs.contract(StorageOutputs, "prod")
        contract = self.outputs.contract(ReplicationOutputs, "prod")
        return SourceRoutes.of(
            storage, contract, self.cloud.client, lambda target: self.outputs.contract(StorageOutputs, target)
        )

    def live(self, target: str) -> str:
        function = self.routes().route(target).outputs.function_name
        return str(self.cloud.client("lambda").get_alias(FunctionName=function, Name="live")["FunctionVersion"])

    def published(self, target: str) -> list[int]:
        replication = self.routes()
        return [each.number for each in read_versions(replication, replication.route(target)).published]

    def roll_back(self, target: str, asked: str | None = None) -> None:
        replication, history = self.routes(), self.deployment.history(STACK)
        versions = read_versions(replication, replication.route(target))
        before = version_before(history.records(), route_function(target), str(versions.live.number))
        roll_back(
            replication,
            versions,
            versions.chosen(asked, before),
            by="a tester",
            hold_in_state=lambda hold: self.deployment.hold("replication", "prod", target, hold),
            history=history,
        )


@pytest.fixture(scope="module")
def site(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The replication into dev alone, which is whole; the storage of staging is there."""
    del engine  # without one these are skipped
    repository = copied_repository(tmp_path_factory.mktemp("repository"))
    settings = repository / "projects" / "replication" / "Pulumi.prod.yaml"
    with (
        local_cloud.start(region=Projects(repository).region) as cloud,
        Deployment(repository, cloud) as deployment,
    ):
        for environment in ("dev", "staging", "prod"):
            deployment.up("storage", environment)
        site = Site(cloud, deployment, settings)
        site.configure(targets=[{"environment": "dev"}])
        with pytest.raises(OperatorError, match="is not deployed, and the whole comes before a part of it"):
            deployment.up("replication", "prod", DEV)
        deployment.up("replication", "prod")
        yield site


@pytest.fixture
def as_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Deploys as a version: that of a checkout is git's to say."""

    def deploy_as(version: str) -> None:
        monkeypatch.setattr(engine_side, "checkout_version", lambda *_: Version.parse(version))

    return deploy_as


def test_a_part_makes_a_route_that_is_new_and_changes_no_other(site: Site) -> None:
    site.configure(targets=[{"environment": "dev"}], memoryMb=1024)
    site.deploy()
    before = site.exported()
    site.configure(targets=[{"environment": "dev"}, {"environment": "staging"}], memoryMb=512)
    changed = site.deploy(STAGING)
    assert all(name.startswith("route-staging-") for name in changed), changed
    after = site.exported()
    assert after.pop("targets") == "dev,staging"
    assert {name: value for name, value in after.items() if not name.startswith("staging_")} == {
        name: value for name, value in before.items() if name != "targets"
    }
    assert "items-notifier" in site.deploy(), "the notifier learns of it from the whole"
    assert site.deployment.preview("replication", "prod").unchanged


def test_a_part_changes_one_route_alone(site: Site) -> None:
    site.configure(targets=[{"environment": "dev"}, {"environment": "staging"}], memoryMb=1024)
    site.deploy()
    staging, dev = site.live("staging"), site.live("dev")
    site.configure(memoryMb=768)
    would = site.deployment.preview("replication", "prod", DEV)
    assert would.changes["update"] == 2, "the function and its alias"
    assert site.deploy(DEV) == {"route-dev-replicator", "route-dev-replicator-live"}
    assert (site.live("dev"), site.live("staging")) == (str(int(dev) + 1), staging)
    assert site.deployment.preview("replication", "prod", DEV).unchanged
    assert site.deploy() == {"route-staging-replicator", "route-staging-replicator-live"}, (
        "which the whole catches up with"
    )


def test_a_route_that_is_rolled_back_under_a_full_queue_loses_nothing_and_stays_until_a_newer_release(
    site: Site, as_version: Callable[[str], None]
) -> None:
    as_version("v1.3.0")
    site.configure(targets=[{"environment": "dev"}], memoryMb=1024)
    site.deploy()
    good = site.live("dev")
    as_version("v1.4.0")
    site.configure(memoryMb=640)
    site.deploy()
    bad = site.live("dev")
    assert int(bad) > int(good)
    replication = site.routes()
    route = replication.route("dev")
    set_enabled(replication, route, enabled=False)
    s3, keys = site.cloud.client("s3"), [f"full/{number}" for number in range(MESSAGES)]
    for key in keys:
        s3.put_object(Bucket=replication.source.bucket_name, Key=key, Body=key.encode())
    eventually(lambda: depth_of(replication, route.outputs).waiting >= MESSAGES, what="a full queue", within=90)

    site.roll_back("dev")
    assert site.live("dev") == good
    assert site.exported()["dev_held"]["from_release"] == "v1.4.0"
    assert site.routes().route("dev").spec.release == "v1.3.0", "commands go by what is live"

    set_enabled(site.routes(), route, enabled=True)
    bucket = site.outputs.contract(StorageOutputs, "dev").bucket_name

    def all_there() -> bool:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="full/")
        return {each["Key"] for page in pages for each in page.get("Contents", ())} == set(keys)

    eventually(all_there, what="every object in dev", within=120, every=1)
    assert site.deployment.refresh("replication", "prod").unchanged
    assert site.deployment.preview("replication", "prod").unchanged, "the release that was found bad moves it no more"

    as_version("v1.4.0+3.gabc1234")
    site.configure(memoryMb=896)
    site.deploy()
    assert site.live("dev") == good, "nor does what follows that release"
    assert site.routes().route("dev").spec.release == "v1.3.0"
    assert site.published("dev")[-1] > int(bad)

    as_version("v1.4.1")
    site.deploy()
    assert int(site.live("dev")) == site.published("dev")[-1]
    assert {int(good), int(bad)} <= set(site.published("dev")), "no version was deleted"
    assert site.exported()["dev_held"] == {}
    site.roll_back("dev")
    assert site.live("dev") == good, "the one that was live before, and not the one that was found bad"
    records = list(site.deployment.history(STACK).records())
    assert [record.what for record in records[:4]] == ["rollback", "deploy", "deploy", "rollback"]
    assert [record.release for record in records[:4]] == ["v1.3.0", "v1.4.1", "v1.4.0+3.gabc1234", "v1.3.0"]

    site.deployment.up("replication", "prod", Part(ends_holds=True))
    assert int(site.live("dev")) == site.published("dev")[-1]

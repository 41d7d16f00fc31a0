"""A route whose brake holds pauses itself, and goes on once somebody says so.

What the emulator cannot prove: that the role's rights suffice for it, and how long Lambda takes to pause a mapping.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import local_cloud
from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_ops.deployment import Deployment
from pipeline_ops.projects import Projects
from pipeline_ops.routes.brake import held_by_brake, lift_brake
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.routes.switch import set_enabled, state_of
from tests.integration.repositories import copied_repository
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

MOST = 3
POLICY = f"""version: 1
brake: {{deletes: {MOST}, minutes: 60}}
datasets:
  items:
    key: {{id: keep, timestamp: keep}}
    attributes: {{value: {{keep: {{reason: made up}}}}}}
  objects:
    - match: "**"
      body: {{opaque: {{reason: made up}}}}
"""


@dataclass(frozen=True)
class Site:
    """Production and dev, whose route has a brake."""

    cloud: LocalCloud
    storage: dict[str, StorageOutputs]
    replication: SourceRoutes

    def ids(self, environment: str) -> set[str]:
        pages = self.cloud.client("dynamodb").scan(TableName=self.storage[environment].table_name)
        return {item["id"]["S"] for item in pages["Items"]}

    def put(self, id_: str) -> None:
        item: Any = {"id": {"S": id_}, "timestamp": {"N": "1"}, "value": {"S": "x"}}
        self.cloud.client("dynamodb").put_item(TableName=self.storage["prod"].table_name, Item=item)

    def remove(self, id_: str) -> None:
        key: Any = {"id": {"S": id_}, "timestamp": {"N": "1"}}
        self.cloud.client("dynamodb").delete_item(TableName=self.storage["prod"].table_name, Key=key)


@pytest.fixture
def site(engine: Path, tmp_path: Path) -> Iterator[Site]:
    del engine  # without one these are skipped
    repository = copied_repository(tmp_path)
    folder = repository / "projects" / "replication"
    (folder / "policies" / "kept.yaml").write_text(POLICY)
    settings = folder / "Pulumi.prod.yaml"
    changed = yaml.safe_load(settings.read_text())
    changed["config"]["replication:targets"] = [{"environment": "dev", "masking": "policies/kept.yaml"}]
    settings.write_text(yaml.safe_dump(changed))
    with (
        local_cloud.start(region=Projects(repository).region) as cloud,
        Deployment(repository, cloud) as deployment,
    ):
        up = {name: deployment.up("storage", name).outputs for name in ("dev", "prod")}
        storage = {name: StorageOutputs.parse(outputs) for name, outputs in up.items()}
        contract = ReplicationOutputs.parse(deployment.up("replication", "prod").outputs)
        yield Site(cloud, storage, SourceRoutes.of(storage["prod"], contract, cloud.client, storage.__getitem__))


def test_a_route_that_would_delete_too_much_pauses_itself_and_goes_on_when_it_is_meant(site: Site) -> None:
    route = site.replication.route("dev")
    before = {f"n{number}" for number in range(8)}
    for id_ in before:
        site.put(id_)
    eventually(lambda: site.ids("dev") == before, what="all items in dev", within=90)
    for id_ in before - {"n0"}:
        site.remove(id_)
    eventually(lambda: state_of(site.replication, route) == "paused", what="a route that pauses itself", within=90)
    assert held_by_brake(site.replication, route) == f"more than {MOST} replicas within 60 minutes"
    assert len(site.ids("dev")) >= len(before) - MOST
    site.put("new")
    assert lift_brake(site.replication, route)
    set_enabled(site.replication, route, enabled=True)
    eventually(lambda: site.ids("dev") == {"n0", "new"}, what="what waited is worked off", within=180)
    assert held_by_brake(site.replication, route) == ""

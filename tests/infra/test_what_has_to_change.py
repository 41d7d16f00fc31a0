"""What a person has to change to add an environment, a target or a table: how many files, all of them configuration."""

import difflib
from pathlib import Path

import pytest

from pipeline_common.contracts import StorageOutputs
from replication_core.route_spec import ROUTE_FILE, RouteSpec
from tests.infra import recording
from tests.infra.deployed import processing, replication
from tests.infra.recording import ROOT, Registration, record
from tests.integration.repositories import copied_repository
from tests.unmasked import UNMASKED

FUNCTION = "aws:lambda/function:Function"
POLICY = "replication/policies/lower.yaml"
ITEMS = "items: {kind: table, partitionKey: {name: id, type: S}, sortKey: {name: timestamp, type: N}}"
ENTRY = "\n    - environment: {}\n" + "".join(f"      {name}: {value}\n" for name, value in UNMASKED.items())


class Repository:
    """A copy of the committed configuration and programs, in which somebody changes files."""

    def __init__(self, folder: Path) -> None:
        self.projects = copied_repository(folder) / "projects"

    def copy(self, project: str, of: str, to: str) -> None:
        folder = self.projects / project
        (folder / f"Pulumi.{to}.yaml").write_bytes((folder / f"Pulumi.{of}.yaml").read_bytes())

    def insert(self, file: str, after: str, text: str) -> None:
        path = self.projects / file
        before, found, rest = path.read_text().partition(after)
        assert found
        path.write_text(before + found + text + rest)

    def changed(self) -> dict[str, int]:
        """Return how many lines of each file are changed; 0 for a file that is new and a copy."""
        changed: dict[str, int] = {}
        for path in sorted(path for path in self.projects.rglob("*") if path.is_file()):
            committed = ROOT / "projects" / path.relative_to(self.projects)
            if not committed.exists():
                changed[str(path.relative_to(self.projects))] = 0
            elif committed.read_bytes() != path.read_bytes():
                lines = difflib.ndiff(committed.read_text().splitlines(), path.read_text().splitlines())
                changed[str(path.relative_to(self.projects))] = sum(line[:1] in "+-" for line in lines)
        return changed


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository that the programs are run in."""
    monkeypatch.setattr(recording, "ROOT", tmp_path)
    return Repository(tmp_path)


def storage(*environments: str) -> dict[str, dict[str, object]]:
    """Return the outputs of these environments' storage, by the stacks' full names."""
    return {f"organization/storage/{name}": record("storage", name).outputs for name in environments}


def route(function: Registration) -> RouteSpec:
    return RouteSpec.parse(function.archived(ROUTE_FILE))


def test_an_environment_and_its_route_are_two_files_and_an_entry(repository: Repository) -> None:
    for project in ("storage", "processing"):
        repository.copy(project, of="dev", to="qa")
    repository.insert("replication/Pulumi.prod.yaml", "replication:targets:", ENTRY.format("qa").rstrip())
    assert repository.changed() == {
        "processing/Pulumi.qa.yaml": 0,
        "replication/Pulumi.prod.yaml": 3,
        "storage/Pulumi.qa.yaml": 0,
    }
    stacks = storage("prod", "dev", "staging", "qa")
    assert processing("qa", stacks=stacks).outputs["environment"] == "qa"
    made = replication(stacks=stacks)
    assert set(made.outputs["targets"].split(",")) == {"dev", "qa", "staging"}
    spec = route(made.named(FUNCTION, "route-qa-replicator"))
    bucket, table = (
        StorageOutputs.parse(stacks["organization/storage/qa"]).datasets[n].name for n in ("objects", "items")
    )
    assert [each.target for each in spec.routed] == [bucket, table]


def test_a_table_is_an_entry_in_each_environment_that_is_to_have_it_and_rules_for_it(repository: Repository) -> None:
    declared = f"""
  storage:datasets:
    objects: {{kind: bucket}}
    {ITEMS}
    orders: {{kind: table, partitionKey: {{name: pk, type: S}}, sortKey: {{name: sk, type: S}}}}"""
    for environment in ("prod", "dev"):
        repository.insert(f"storage/Pulumi.{environment}.yaml", "config:", declared)
    repository.insert(POLICY, "datasets:", "\n  orders:\n    key: {pk: keep, sk: keep}\n    attributes: {}")
    lines = declared.count("\n")
    assert repository.changed() == {
        POLICY: 3,
        "storage/Pulumi.dev.yaml": lines,
        "storage/Pulumi.prod.yaml": lines,
    }
    stacks = storage("prod", "dev", "staging")
    orders = StorageOutputs.parse(stacks["organization/storage/prod"]).datasets["orders"]
    made = replication(stacks=stacks)
    streams = {one.inputs["eventSourceArn"] for one in made.of("aws:lambda/eventSourceMapping:EventSourceMapping")}
    assert orders.stream_arn in streams
    for target, gets_it in (("dev", True), ("staging", False)):
        spec = route(made.named(FUNCTION, f"route-{target}-replicator"))
        assert spec.wants(orders.dataset.record("1", "2")) is gets_it
        (rights,) = (
            one for one in made.of("aws:iam/rolePolicy:RolePolicy") if one.name == f"route-{target}-replicator-rights"
        )
        assert (orders.arn in rights.inputs["policy"]) is gets_it


def test_a_bucket_is_an_entry_likewise_and_its_events_reach_the_targets_that_have_it(repository: Repository) -> None:
    declared = f"\n  storage:datasets: {{objects: {{kind: bucket}}, files: {{kind: bucket}}, {ITEMS}}}"
    for environment in ("prod", "dev"):
        repository.insert(f"storage/Pulumi.{environment}.yaml", "config:", declared)
    repository.insert(POLICY, "datasets:", "\n  files: [{match: '**', body: {opaque: {reason: made up}}}]")
    assert repository.changed() == {POLICY: 1, "storage/Pulumi.dev.yaml": 1, "storage/Pulumi.prod.yaml": 1}
    stacks = storage("prod", "dev", "staging")
    files = StorageOutputs.parse(stacks["organization/storage/prod"]).datasets["files"]
    rules = replication(stacks=stacks).of("aws:cloudwatch/eventRule:EventRule")
    told = {one.name: files.name in one.inputs.get("eventPattern", "") for one in rules}
    assert any(told.values())
    assert not any(is_told for name, is_told in told.items() if "staging" in name)

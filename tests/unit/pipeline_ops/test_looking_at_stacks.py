"""What may have gone since it was recorded is looked at before it is relied on, by whoever comes first."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_common.contracts import StorageOutputs
from pipeline_common.holds import Hold
from pipeline_ops.deployment import Deployment, Result
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import StackId
from pipeline_ops.state import Backend
from pipeline_ops.where import AWS, Where

ROOT = Path(__file__).parents[3]
STORAGE = StackId("storage", "prod")
BOTH_COME_SECONDS = 0.5


def former_outputs(stack: StackId) -> dict[str, Any]:
    """Return what the first release exported of a stack."""
    contracts = ROOT / "tests" / "recorded" / "release_1" / "contracts"
    outputs: dict[str, Any] = json.loads((contracts / f"{stack.project}_{stack.environment}.json").read_text())
    return outputs


class Looked(Deployment):
    """Counts the looks at a stack, and whether two came at the same time."""

    backend: Backend

    def __init__(self, folder: Path, *, may_outlive: bool = True) -> None:
        super().__init__(ROOT)
        self.backend = Backend(f"file://{folder}", may_outlive=may_outlive)
        self.looks = 0
        self.ran: set[StackId] = set()
        self.recorded = {StackId("storage", name) for name in ("dev", "staging", "prod")}
        self._folder = folder
        for stack in self.recorded:
            self.record(stack, StorageOutputs.parse(former_outputs(stack)).exports())
        self.met = False
        self._both = threading.Barrier(2)

    def record(self, stack: StackId, outputs: Mapping[str, Any]) -> None:
        file = self._folder / ".pulumi" / "stacks" / stack.project / f"{stack.environment}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        root = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
        file.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [root]}}}))

    def deployed(self) -> frozenset[StackId]:
        return frozenset(self.recorded)

    def _run(self, stack: StackId, operation: str, *_: Any) -> Result:
        self.ran.add(stack)
        if stack == STORAGE:
            self.looks += 1
            try:
                self._both.wait(BOTH_COME_SECONDS)
                self.met = True
            except threading.BrokenBarrierError:
                pass
        return Result(stack, operation, changes={}, seconds=0)


def test_two_stacks_that_read_from_the_same_one_look_at_it_once(tmp_path: Path) -> None:
    deployment = Looked(tmp_path)
    readers = [StackId("processing", "prod"), StackId("replication", "prod")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(deployment.require_needed, readers))
    assert (deployment.looks, deployment.met) == (1, False)


def test_what_was_not_there_is_not_looked_at_once_this_deployment_has_made_it(tmp_path: Path) -> None:
    deployment = Looked(tmp_path)
    deployment.recorded.remove(STORAGE)
    deployment.up("storage", "prod")
    deployment.recorded.add(STORAGE)
    looks = deployment.looks
    deployment.require_needed(StackId("processing", "prod"))
    assert deployment.looks == looks


@pytest.mark.parametrize(("may_outlive", "looks"), [(True, 1), (False, 0)])
def test_a_record_that_lasts_as_long_as_what_it_tells_of_is_not_looked_at(
    tmp_path: Path, may_outlive: bool, looks: int
) -> None:
    deployment = Looked(tmp_path, may_outlive=may_outlive)
    deployment.require_needed(StackId("processing", "prod"))
    assert deployment.looks == looks


def test_a_state_that_can_not_be_read_suggests_no_command_on_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = tmp_path / "pulumi"
    cli.write_text(
        '#!/bin/sh\ncase "$*" in *version*) echo v3.259.0; exit;; esac\n'
        'echo "error: no space left on device" >&2; exit 255\n'
    )
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    url = f"file://{tmp_path}/state"
    with Deployment(ROOT, backend=Backend(url)) as deployment, pytest.raises(OperatorError) as failed:
        deployment.refresh("storage", "dev")
    assert str(failed.value).startswith(f"The state at {url} can't be read: the disk is full ")
    assert "nox -s" not in str(failed.value)


def test_a_state_that_a_run_is_at_is_told_of_no_hold(tmp_path: Path) -> None:
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "replication" / "prod" / "x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    hold = Hold(version="11", release="v1.3.0", from_release="v1.4.0", by="x", at="2030")
    with pytest.raises(OperatorError, match=r"locked by another run.*nox -s unlock -- replication prod"):
        Looked(tmp_path).hold("replication", "prod", "dev", hold)


@pytest.mark.parametrize(
    ("owned", "where"), [(True, Where(local=True, fleeting=True)), (False, Where(endpoint="http://there"))]
)
def test_a_cloud_of_its_own_is_one_that_ends_with_it(owned: bool, where: Where) -> None:
    cloud: Any = SimpleNamespace(owned=owned, endpoint="http://there")
    assert Deployment(ROOT, cloud).projects.where == where
    assert Deployment(ROOT).projects.where == AWS


def test_storage_that_does_not_export_yet_what_is_read_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    deployment = Looked(tmp_path)
    deployment.record(StackId("storage", "dev"), former_outputs(StackId("storage", "dev")))
    for act in (deployment.up, deployment.preview):
        with pytest.raises(OperatorError) as refused:
            act("replication", "prod")
        assert str(refused.value) == (
            "replication/prod reads 'suffix' of storage/dev, which was deployed by another release without it: "
            "`nox -s deploy -- storage dev` first. Nothing was changed."
        )
    assert StackId("replication", "prod") not in deployment.ran


def test_nothing_is_asked_of_storage_that_is_deployed_before_it(tmp_path: Path) -> None:
    deployment = Looked(tmp_path)
    former = StackId("storage", "dev")
    deployment.record(former, former_outputs(former))
    deployment.recorded.remove(STORAGE)
    deployment.require_needed(StackId("replication", "prod"), besides=[former, STORAGE])


def test_storage_of_a_release_that_did_not_say_its_version_need_not_be_deployed_for_that(tmp_path: Path) -> None:
    deployment = Looked(tmp_path)
    for stack in deployment.recorded:
        outputs = StorageOutputs.parse(former_outputs(stack)).exports()
        del outputs["release"]
        deployment.record(stack, outputs)
    deployment.require_needed(StackId("replication", "prod"))


def test_an_environment_that_is_read_from_and_has_no_file_is_told_with_the_file_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(
        OperatorError, match=r"reads from storage/qa, and there is no projects/storage/Pulumi\.qa\.yaml"
    ):
        Looked(tmp_path).require_needed(StackId("processing", "qa"))

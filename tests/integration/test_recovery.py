"""Deployments that are cut off, clouds that are emptied, and settings that Pulumi is to read as they are.

By the real engine, into a MiniStack that somebody else keeps up. On AWS a creation takes longer, and is cut off sooner.
"""

import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import EngineEvent

import local_cloud
from local_cloud import LocalCloud
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import OperatorError
from pipeline_ops.interrupts import Interrupts
from pipeline_ops.projects import StackId
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state import Backend, endpoint_backend, folder_backend
from tests.integration.another_cloud import AnotherCloud
from tests.integration.repositories import ROOT, copied_repository
from tests.integration.test_deployment import inventory
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

STORAGE = ("storage", "dev")
PROCESSING = ("processing", "dev")
BUCKET = "aws:s3/bucket:Bucket"


@pytest.fixture
def another(engine: Path) -> Iterator[AnotherCloud]:
    del engine  # without one these are skipped
    with AnotherCloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(another: AnotherCloud) -> Iterator[LocalCloud]:
    with local_cloud.start(another.endpoint) as cloud:
        yield cloud


class Engines(Interrupts):
    """Knows the engine that runs, so that it can be killed."""

    running: subprocess.Popen[bytes]

    @contextmanager
    def engine(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        self.running = process
        with super().engine(process):
            yield


def kill_a_deploy(another: AnotherCloud, cloud: LocalCloud, backend: Backend, folder: Path) -> list[Mapping[str, Any]]:
    """Kill the engine and its provider while they create; return what they were at, the bucket among it."""
    creating = threading.Event()
    engines = Engines()

    def on_event(_stack: StackId, _operation: str, event: EngineEvent) -> None:
        if event.resource_pre_event is not None and event.resource_pre_event.metadata.type.startswith("aws:"):
            creating.set()

    def deploy() -> str:
        with (
            Deployment(ROOT, cloud, backend=backend, on_event=on_event, interrupts=engines) as deployment,
            pytest.raises(OperatorError) as failed,
        ):
            deployment.up(*STORAGE)
        return str(failed.value)

    def pending() -> list[Mapping[str, Any]]:
        state = json.loads((folder / ".pulumi" / "stacks" / "storage" / "dev.json").read_text())
        latest = state["checkpoint"].get("latest") or {}
        resources = [each["resource"] for each in latest.get("pending_operations") or ()]
        return resources if any(each["type"] == BUCKET for each in resources) else []

    with ThreadPoolExecutor(1) as threads:
        said = threads.submit(deploy)
        assert creating.wait(60)
        with another.held_still():
            eventually(pending, what="the state says that the bucket is being created", within=30)
            threads_of_it = Path(f"/proc/{engines.running.pid}/task").glob("*/children")
            providers = [each for listed in threads_of_it for each in listed.read_text().split()]
            engines.running.kill()
            assert "ended at once by SIGKILL" in said.result()
            for provider in providers:  # else it may ask the cloud later than this test looks
                with suppress(ProcessLookupError):
                    os.kill(int(provider), signal.SIGKILL)
    return pending()


def make_bucket(cloud: LocalCloud, cut: list[Mapping[str, Any]]) -> None:
    """Make the bucket that was being created, as the cloud does where it was asked in time."""
    name = next(each["inputs"]["bucket"] for each in cut if each["type"] == BUCKET)
    with suppress(cloud.client("s3").exceptions.BucketAlreadyOwnedByYou):
        cloud.client("s3").create_bucket(Bucket=name)


@pytest.mark.parametrize("is_there", [True, False], ids=["is there", "is not there"])
def test_what_a_killed_deploy_was_creating_is_looked_up_and_the_next_one_goes_on(
    another: AnotherCloud, cloud: LocalCloud, tmp_path: Path, is_there: bool
) -> None:
    before = inventory(cloud)
    backend = folder_backend(tmp_path)
    cut = kill_a_deploy(another, cloud, backend, tmp_path)
    if is_there:
        make_bucket(cloud, cut)
    else:
        another.start_anew()
    with Deployment(ROOT, cloud, backend=backend) as deployment:
        with pytest.raises(
            OperatorError, match=r"^storage/dev: an earlier run was cut off .* looks what came of it\.$"
        ):
            deployment.up(*STORAGE)
        deployment.unlock(*STORAGE)
        refreshed = deployment.refresh(*STORAGE)
        assert len(refreshed.notices) == len(cut)
        bucket = next(notice for notice in refreshed.notices if "s3.Bucket objects" in notice)
        assert bucket.endswith("is there, and known as it is." if is_there else "is not there.")
        deployment.up(*STORAGE)
        assert len(inventory(cloud)["buckets"]) == len(inventory(cloud)["tables"]) == 1
        assert deployment.up(*STORAGE).unchanged
        deployment.destroy(*STORAGE)
        assert deployment.deployed() == frozenset()
    assert inventory(cloud) == before


def test_a_destroy_removes_what_a_killed_deploy_was_creating(
    another: AnotherCloud, cloud: LocalCloud, tmp_path: Path
) -> None:
    before = inventory(cloud)
    backend = folder_backend(tmp_path)
    make_bucket(cloud, kill_a_deploy(another, cloud, backend, tmp_path))
    with Deployment(ROOT, cloud, backend=backend) as deployment:
        deployment.unlock(*STORAGE)
        deployment.destroy(*STORAGE)
        assert deployment.deployed() == frozenset()
    assert inventory(cloud) == before


def test_into_a_cloud_that_was_emptied_everything_is_deployed_anew(
    another: AnotherCloud, cloud: LocalCloud, tmp_path: Path
) -> None:
    backend = endpoint_backend(tmp_path, another.endpoint)
    with Deployment(ROOT, cloud, backend=backend) as deployment:
        first = {stack: deployment.up(*stack) for stack in (STORAGE, PROCESSING)}
    another.start_anew()
    with Deployment(ROOT, cloud, backend=backend) as deployment:
        with pytest.raises(OperatorError, match="processing/dev reads from storage/dev, which is not deployed"):
            deployment.up(*PROCESSING)
        for stack in (STORAGE, PROCESSING):
            again = deployment.up(*stack)
            assert again.changes == first[stack].changes
            assert deployment.up(*stack).unchanged
    assert len(inventory(cloud)["buckets"]) == 1


def test_a_local_cloud_gets_what_pulumi_reads_in_the_committed_file(cloud: LocalCloud, tmp_path: Path) -> None:
    repository = copied_repository(tmp_path)
    settings = repository / "projects" / "storage" / "Pulumi.dev.yaml"
    settings.write_text(settings.read_text().replace('tags:prNumber: "1"', 'tags:prNumber: "0189"'))
    with Deployment(repository, cloud, backend=folder_backend(tmp_path / ".state")) as deployment:
        bucket = deployment.up(*STORAGE).outputs["bucket_name"]
    tags = {tag["Key"]: tag["Value"] for tag in cloud.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert "0189" in tags.values()


def test_a_key_that_is_there_twice_is_refused_locally_as_on_aws(cloud: LocalCloud, tmp_path: Path) -> None:
    repository = copied_repository(tmp_path)
    settings = repository / "projects" / "storage" / "Pulumi.dev.yaml"
    settings.write_text(settings.read_text() + "  storage:retentionDays: 7\n")
    with (
        Deployment(repository, cloud, backend=folder_backend(tmp_path / ".state")) as deployment,
        pytest.raises(OperatorError, match=r"projects/storage/Pulumi.dev.yaml.*storage:retentionDays"),
    ):
        deployment.preview(*STORAGE)


def test_a_broken_pulumi_yaml_is_named_as_it_is_committed(cloud: LocalCloud, tmp_path: Path) -> None:
    repository = copied_repository(tmp_path)
    (repository / "projects" / "storage" / "Pulumi.yaml").write_text("runtime: python\n")
    with (
        Deployment(repository, cloud, backend=folder_backend(tmp_path / ".state")) as deployment,
        pytest.raises(OperatorError, match=r"'projects/storage/Pulumi.yaml': project is missing a 'name'"),
    ):
        deployment.preview(*STORAGE)


def test_a_state_that_is_cut_off_is_put_right_by_the_command_that_is_told(cloud: LocalCloud, tmp_path: Path) -> None:
    state = tmp_path / ".pulumi" / "stacks" / "storage" / "dev.json"
    with Deployment(ROOT, cloud, backend=folder_backend(tmp_path)) as deployment:
        deployment.up(*STORAGE)
        whole = state.read_bytes()
        state.write_bytes(whole[: len(whole) // 2])
        outputs = StackOutputs(deployment.projects, deployment.backend)
        for act in (lambda *stack: outputs.of(StackId(*stack)), deployment.refresh, deployment.up, deployment.destroy):
            with pytest.raises(OperatorError, match="is cut off, as on a full disk: make room, then `cp ") as failed:
                act(*STORAGE)
            assert str(state) in str(failed.value)
        subprocess.run(shlex.split(str(failed.value).partition("`")[2].partition("`")[0]), check=True)
        assert deployment.refresh(*STORAGE).unchanged
        assert deployment.up(*STORAGE).unchanged


def test_a_lock_that_could_not_be_written_is_told_with_what_removes_it(cloud: LocalCloud, tmp_path: Path) -> None:
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "storage" / "dev" / "x.json"
    with Deployment(ROOT, cloud, backend=folder_backend(tmp_path)) as deployment:
        deployment.up(*STORAGE)
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_bytes(b"")
        with pytest.raises(OperatorError, match="nox -s unlock -- storage dev"):
            deployment.refresh(*STORAGE)
        deployment.unlock(*STORAGE)
        assert deployment.refresh(*STORAGE).unchanged

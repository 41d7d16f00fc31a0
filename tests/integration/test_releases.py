"""Releases of replication, made of this repository's committed history and deployed by their own code.

What only AWS can prove: that a state in a bucket is found from a release's worktree. Here it is in a folder.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from local_cloud import LocalCloud
from pipeline_common.contracts import ReplicationOutputs
from pipeline_common.release import version_described
from pipeline_ops.cli import cli
from pipeline_ops.deployment import Deployment
from pipeline_ops.playground import Playground
from pipeline_ops.releases import worktree
from pipeline_ops.running_system import RunningSystem
from pipeline_ops.stack_outputs import StackOutputs
from tests.integration.repositories import ROOT
from tests.unit.pipeline_ops.repositories import IDENTITY

pytestmark = pytest.mark.own_cloud

BEFORE_RELEASES = "1f431d5"
"""A commit whose code knows nothing of releases."""

ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass
class Checkout:
    """A clone of the committed history whose main is the current commit, and the local cloud that it keeps up."""

    folder: Path
    deployment: Deployment
    cloud: LocalCloud

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, arguments)
        return result.exit_code, result.output

    def deploy(self, release: str, *options: str) -> tuple[int, str]:
        return self.run("deploy", "replication", "prod", "--release", release, "--local", *options)

    def deployed(self) -> ReplicationOutputs:
        return StackOutputs(self.deployment.projects, self.deployment.backend).contract(ReplicationOutputs, "prod")

    def live(self, target: str) -> dict[str, Any]:
        """Return what is live of a target's route."""
        alias = self.deployed().routes[target].alias_arn
        region = self.deployed().region
        found: dict[str, Any] = self.cloud.client("lambda", region=region).get_function(FunctionName=alias)[
            "Configuration"
        ]
        return found

    def states(self) -> dict[str, bytes]:
        """Return the recorded states of all that is not the replication."""
        folder = self.deployment.backend.folder
        assert folder is not None
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.glob(".pulumi/stacks/*/*.json"))
            if path.parent.name != "replication"
        }


@pytest.fixture
def checkout(empty_cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    folder = tmp_path / "clone"
    if subprocess.run(
        ["git", "cat-file", "-e", BEFORE_RELEASES], cwd=ROOT, capture_output=True, check=False
    ).returncode:
        pytest.skip("there is no history here: the checkout is shallow, or no repository")
    subprocess.run(["git", "clone", "--quiet", "--no-tags", "--shared", ROOT, folder], check=True)
    monkeypatch.setattr(worktree, "cache_root", lambda: tmp_path / "cache")  # which ends with the test
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    with Deployment(folder, empty_cloud) as deployment:
        made = Checkout(folder, deployment, empty_cloud)
        made.git("remote", "remove", "origin")
        made.git("branch", "--force", "--move", "main")
        for environment in ENVIRONMENTS:
            deployment.up("storage", environment)
        monkeypatch.chdir(folder)
        playground = Playground(folder)
        with playground.held():
            playground.describe(RunningSystem(empty_cloud, deployment, {}))
            yield made


def test_releases_are_deployed_by_their_own_code_and_touch_nothing_but_replication(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    before = checkout.states()
    checkout.git("tag", "--annotate", "--message=former", "replication/v0.9.0", BEFORE_RELEASES)
    code, said = checkout.deploy("replication/v0.9.0")
    assert code == 0, (said, capfd.readouterr())
    assert "replication/v0.9.0 is older than releases' notes" in said
    assert (checkout.deployed().release, version_described(checkout.live("dev")["Description"])) == ("", None)

    code, said = checkout.run("release", "replication", "--yes", "--bump", "major")
    assert code == 0, said
    capfd.readouterr()
    code, said = checkout.deploy("replication/v1.0.0", "--json")
    printed = capfd.readouterr()
    assert code == 0, (said, printed)
    (result,) = json.loads(printed.out)["results"]
    assert result["stack"] == "replication/prod"
    assert checkout.deployed().release == "v1.0.0"
    for target in ("dev", "staging"):
        assert str(version_described(checkout.live(target)["Description"])) == "v1.0.0"

    # Settings of this checkout, under the release's code, are no part of the release.
    settings = checkout.folder / "projects" / "replication" / "Pulumi.prod.yaml"
    settings.write_text(settings.read_text().replace("memoryMb: 1024", "memoryMb: 768"))
    code, said = checkout.deploy("replication/v1.0.0", "--config", "here")
    assert code == 0, (said, capfd.readouterr())
    assert checkout.live("dev")["MemorySize"] == 768
    assert re.fullmatch(r"v1\.0\.0\+0\.g[0-9a-f]{7}\.dirty", checkout.deployed().release)
    assert checkout.states() == before

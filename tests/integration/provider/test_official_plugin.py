"""The engine finds the plugin that is in the user's Pulumi, and no other, where the official provider is asked for.

The plugin here is the stand-in in the official one's place. What that cannot prove: that the official provider gets on
with a local cloud.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

import local_cloud
from local_cloud.aws_provider import OfficialPlugin
from local_cloud.launcher import launcher_folder
from pipeline_ops.deployment import Deployment
from tests.integration.repositories import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]


def test_a_stack_is_deployed_by_the_users_plugin(engine: Path, tmp_path: Path) -> None:
    installed = tmp_path / "plugins" / f"resource-aws-v{version('pulumi-aws')}"
    installed.mkdir(parents=True)
    # It writes down that it was started, which tells it from one on PATH.
    script = (launcher_folder() / "pulumi-resource-aws").read_text()
    plugin = installed / "pulumi-resource-aws"
    plugin.write_text(script.replace("\n", f"\necho started >> {tmp_path}/started\n", 1))
    plugin.chmod(0o755)
    said: list[str] = []
    provider = OfficialPlugin.installed({"PULUMI_HOME": str(tmp_path)})
    with (
        local_cloud.start() as cloud,
        Deployment(ROOT, cloud, provider=provider, on_progress=said.append) as deployment,
    ):
        assert deployment.up("storage", "dev").outputs["bucket_name"]
        assert "started" in (tmp_path / "started").read_text()
        shutil.rmtree(installed)
    assert f"The aws provider is the official one, {provider.version}, of {installed}." in said

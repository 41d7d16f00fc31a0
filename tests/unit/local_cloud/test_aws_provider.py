"""Which `aws` provider a run on a local cloud uses; the official one is told here by its files alone."""

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from local_cloud import ANYBODY, LocalCloud, LocalCloudError
from local_cloud.aws_provider import AwsProvider, OfficialPlugin, aws_provider
from local_cloud.launcher import launcher_folder

PINNED = version("pulumi-aws")
CLOUD = LocalCloud("http://127.0.0.1:4999", "eu-west-1", ANYBODY, "000000000000", owned=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))


def _user(home: Path, release: str = PINNED, *, mode: int = 0o755) -> dict[str, str]:
    """A user whose Pulumi has the plugin of a release, and another one beside."""
    for name in (f"resource-aws-v{release}", "resource-random-v4.0.0"):
        folder = home / "plugins" / name
        folder.mkdir(parents=True)
        plugin = folder / f"pulumi-{name.rsplit('-v', 1)[0]}"
        plugin.write_text("#!/bin/sh\n")
        plugin.chmod(mode)
    return {"PULUMI_HOME": str(home)}


def test_the_stand_in_is_the_default_and_needs_nothing_of_the_users(tmp_path: Path) -> None:
    for name in (None, "stand-in"):
        assert aws_provider(name, {"PULUMI_HOME": str(tmp_path / "nowhere")}) == AwsProvider()
    environment = AwsProvider().environment(CLOUD, tmp_path / "home")
    assert environment["PATH"].split(os.pathsep)[0] == str(launcher_folder())
    assert environment["PULUMI_HOME"] == str(tmp_path / "home")
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in environment


def test_the_official_plugin_is_the_only_provider_that_pulumi_finds(tmp_path: Path) -> None:
    chosen = aws_provider("official", _user(tmp_path / "users"))
    environment = chosen.environment(CLOUD, tmp_path / "home")
    plugins = Path(environment["PULUMI_HOME"]) / "plugins"
    assert [folder.name for folder in plugins.iterdir()] == [f"resource-aws-v{PINNED}"]
    # The engine lists folders, and a link to one is none for it.
    assert not (plugins / f"resource-aws-v{PINNED}").is_symlink()
    assert os.access(plugins / f"resource-aws-v{PINNED}" / "pulumi-resource-aws", os.X_OK)
    assert str(launcher_folder()) not in environment["PATH"]
    assert environment["PULUMI_IGNORE_AMBIENT_PLUGINS"] == "true"
    assert environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert environment["AWS_ENDPOINT_URL"] == CLOUD.endpoint


def test_the_users_pulumi_is_looked_for_at_home_where_no_variable_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _user(tmp_path / ".pulumi")
    assert str(aws_provider("official", {})) == (
        f"the official one, {PINNED}, of {tmp_path}/.pulumi/plugins/resource-aws-v{PINNED}"
    )


def _absent(_home: Path) -> None:
    pass


def _of_another_release(home: Path) -> None:
    _user(home, "7.0.0")


def _not_executable(home: Path) -> None:
    _user(home, mode=0o644)


def _half_installed(home: Path) -> None:
    _user(home)
    (home / "plugins" / f"resource-aws-v{PINNED}.partial").touch()


@pytest.mark.parametrize("users", [_absent, _of_another_release, _not_executable, _half_installed])
def test_a_plugin_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    users: Callable[[Path], None], tmp_path: Path
) -> None:
    users(tmp_path)
    with pytest.raises(LocalCloudError) as refused:
        OfficialPlugin.installed({"PULUMI_HOME": str(tmp_path)})
    assert f"`pulumi plugin install resource aws v{PINNED}`" in str(refused.value)


def test_the_version_is_the_pinned_one() -> None:
    pinned = (Path(__file__).parents[3] / "requirements" / "operators.txt").read_text()
    assert f"\npulumi-aws=={PINNED} " in pinned


def test_the_official_provider_is_let_ask_for_the_account_and_for_a_buckets_tags(tmp_path: Path) -> None:
    config = aws_provider("official", _user(tmp_path)).stack_config(CLOUD)
    assert config["aws:allowedAccountIds"] == ["000000000000"]
    assert not config["aws:skipRequestingAccountId"]
    assert config["aws:endpoints"]["s3"] == CLOUD.endpoint
    assert config["aws:endpoints"]["s3control"] == "http://localhost:4999"
    assert AwsProvider().stack_config(CLOUD) == CLOUD.stack_config()

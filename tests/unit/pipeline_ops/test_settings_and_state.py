"""The copy of the settings that Pulumi works on, and where its state and passphrase come from."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_ops.errors import OperatorError
from pipeline_ops.local import endpoint_backend
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.settings import copy_settings, local_settings
from pipeline_ops.state import Backend, aws_backend, secrets_environment

STACK = StackId("storage", "dev")
COMMITTED = "# kept as it is\nconfig:\n  aws:region: eu-west-1\n  aws:allowedAccountIds: ['111122223333']\n"


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    folder = tmp_path / "projects" / "storage"
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: storage\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text(COMMITTED)
    return Projects(tmp_path)


def test_for_aws_the_copy_is_the_committed_file_byte_for_byte(projects: Projects, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_settings(projects, STACK, copy)
    assert (copy / "Pulumi.dev.yaml").read_text() == COMMITTED
    assert (copy / "Pulumi.yaml").read_text() == "name: storage\nruntime: python\n"


def test_for_the_local_cloud_its_configuration_wins_and_the_committed_file_stays(
    projects: Projects, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_settings(projects, STACK, copy, {"aws:allowedAccountIds": ["000000000000"], "aws:accessKey": "test"})
    config = yaml.safe_load((copy / "Pulumi.dev.yaml").read_text())["config"]
    assert config["aws:allowedAccountIds"] == ["000000000000"]
    assert config["aws:accessKey"] == "test"
    assert config["aws:region"] == "eu-west-1"
    assert config["pulumi:disable-default-providers"] == ["*"]
    assert (projects.folder("storage") / "Pulumi.dev.yaml").read_text() == COMMITTED


@pytest.mark.parametrize("committed", [{}, {"config": None}])
def test_a_stack_without_configuration_gets_the_local_clouds(committed: dict[str, Any]) -> None:
    assert local_settings(committed, {"aws:accessKey": "test"})["config"]["aws:accessKey"] == "test"


def test_a_key_of_the_real_world_is_left_out_locally_and_a_salt_is_kept() -> None:
    committed = {
        "config": {},
        "secretsprovider": "awskms://alias/real",
        "encryptedkey": "x",
        "encryptionsalt": "v1:salt",
    }
    assert local_settings(committed, {}).keys() == {"config", "encryptionsalt"}


def test_the_users_backend_is_used_and_nothing_is_made(tmp_path: Path) -> None:
    backend = aws_backend(tmp_path, {"PULUMI_BACKEND_URL": "s3://state"})
    assert backend == Backend("s3://state")
    assert list(tmp_path.iterdir()) == []


def test_the_checkouts_own_state_is_made_with_a_notice_the_first_time_only(tmp_path: Path) -> None:
    first = aws_backend(tmp_path, {})
    assert first.url == (tmp_path / ".state").as_uri()
    assert "PULUMI_BACKEND_URL" in first.notice
    assert aws_backend(tmp_path, {}).notice == ""


def test_the_default_state_is_ignored_by_git() -> None:
    ignored = (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()
    assert {".state/", ".local/"} <= set(ignored)


def test_two_endpoints_have_a_state_each(tmp_path: Path) -> None:
    urls = {endpoint_backend(tmp_path, url).url for url in ("http://localhost:4566", "http://localhost:4567")}
    assert len(urls) == 2


@pytest.mark.parametrize("url", ["file:///state", "s3://bucket", "gs://bucket", "azblob://container"])
def test_a_missing_passphrase_is_asked_for_before_pulumi_does(url: str) -> None:
    with pytest.raises(OperatorError, match="export PULUMI_CONFIG_PASSPHRASE"):
        secrets_environment(Backend(url), {}, {})


def test_no_passphrase_is_needed_with_a_secrets_provider_or_on_pulumi_cloud() -> None:
    assert secrets_environment(Backend("file:///state"), {"secretsprovider": "awskms://alias/key"}, {})
    assert secrets_environment(Backend("https://api.pulumi.com"), {}, {})


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_given_passphrase_is_handed_on_even_an_empty_one(name: str) -> None:
    environment = secrets_environment(Backend("file:///state"), {}, {name: ""})
    assert environment[name] == ""
    # The salt beside a copied configuration does not last; the one in the state has to do.
    assert environment["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] == "true"

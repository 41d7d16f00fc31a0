"""The copy of the settings that Pulumi works on, and where its state and passphrase come from."""

from pathlib import Path

import pytest

from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.state import Backend, aws_backend, endpoint_backend, prepared_aws_backend, secrets_environment

STACK = StackId("storage", "dev")
COMMITTED = "# kept as it is\nconfig:\n  aws:region: eu-west-1\n  aws:allowedAccountIds: ['111122223333']\n"


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    folder = tmp_path / "projects" / "storage"
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: storage\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text(COMMITTED)
    return Projects(tmp_path)


AWKWARD = {
    "comments, quotes and numbers of either YAML": (
        b'# kept\r\nconfig:\n  tags:prNumber: "0189"\n  tags:team: 0o17\n  tags:author: yes # 1.1\'s\n'
    ),
    "a duplicate key, for Pulumi to refuse": b"config:\n  storage:retentionDays: 30\n  storage:retentionDays: 7\n",
    "no YAML, for Pulumi to refuse": b"config: [\n",
    "another encoding, for Pulumi to refuse": "config:\n  tags:author: J\u00f6rg\n".encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbfconfig: {}",
    "a salt": b"config: {}\nencryptionsalt: v1:salt\n",
    "nothing": b"",
}


@pytest.mark.parametrize("local", [False, True], ids=["AWS", "local"])
@pytest.mark.parametrize("committed", AWKWARD.values(), ids=AWKWARD.keys())
def test_the_copy_is_the_committed_file_byte_for_byte(
    projects: Projects, tmp_path: Path, local: bool, committed: bytes
) -> None:
    (projects.folder("storage") / "Pulumi.dev.yaml").write_bytes(committed)
    copy = tmp_path / "copy"
    copy.mkdir()
    projects.copy_settings(STACK, copy, local=local)
    assert (copy / "Pulumi.dev.yaml").read_bytes() == committed
    assert (copy / "Pulumi.yaml").read_text() == "name: storage\nruntime: python\n"


def test_an_instance_has_its_environments_settings_under_its_own_name(projects: Projects, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    projects.copy_settings(StackId("storage", "dev-pr5400"), copy)
    assert (copy / "Pulumi.dev-pr5400.yaml").read_text() == COMMITTED


def test_a_key_of_the_real_world_is_left_out_locally_and_all_else_stays(projects: Projects, tmp_path: Path) -> None:
    committed = (
        "secretsprovider: awskms://alias/real\nencryptedkey:\n  folded\n\tvalue\n"
        "config:\n  storage:secretsprovider: a value\nencryptionsalt: v1:salt\nsecretsprovider: awskms://no/line/end"
    )
    (projects.folder("storage") / "Pulumi.dev.yaml").write_text(committed)
    copy = tmp_path / "copy"
    copy.mkdir()
    projects.copy_settings(STACK, copy, local=True)
    left = "config:\n  storage:secretsprovider: a value\nencryptionsalt: v1:salt\n"
    assert (copy / "Pulumi.dev.yaml").read_text() == left
    projects.copy_settings(STACK, copy)
    assert (copy / "Pulumi.dev.yaml").read_text() == committed


def test_the_users_backend_is_used_and_nothing_is_made(tmp_path: Path) -> None:
    for backend in (aws_backend, prepared_aws_backend):
        assert backend(tmp_path, {"PULUMI_BACKEND_URL": "s3://state"}) == Backend("s3://state")
    aws_backend(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_the_checkouts_own_state_is_made_with_a_notice_the_first_time_only(tmp_path: Path) -> None:
    first = prepared_aws_backend(tmp_path, {})
    assert first.url == aws_backend(tmp_path, {}).url == (tmp_path / ".state").as_uri() + "?metadata=skip"
    assert "PULUMI_BACKEND_URL" in first.notice
    assert prepared_aws_backend(tmp_path, {}).notice == ""


def test_a_checkout_that_can_t_be_written_is_told_with_what_helps(tmp_path: Path) -> None:
    # A file where the folder has to be: permissions are no hindrance to root.
    (tmp_path / "checkout").write_text("")
    with pytest.raises(OperatorError, match=r"checkout/.state can't be made .*export PULUMI_BACKEND_URL="):
        prepared_aws_backend(tmp_path / "checkout", {})


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

"""`deploy --release` up to the release's own command, which is a stand-in: what it is given, and what is refused."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline_common.infra import lambda_archive
from pipeline_ops.cli import cli
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.way_back import require_masking_release
from pipeline_ops.releases import release_deployment
from pipeline_ops.releases.archives import archive_digests
from pipeline_ops.releases.release_deployment import ReleasedCode
from tests.unit.pipeline_ops.repositories import IDENTITY, POSTMAN, MadeRepository

SETTINGS = "projects/replication/Pulumi.prod.yaml"
TAG = "replication/v1.0.0"


@dataclass
class Ran:
    """What the release's own command was run with, and what it saw."""

    command: Sequence[str] = ()
    backend: str = ""
    folder: Path = Path()
    code: str = ""
    settings: str = ""
    local: Path = Path()
    exit_code: int = 0
    knows: str = "--release --routes TARGET,... --end-holds --progressive --weight"
    built: dict[str, str] | None = field(default_factory=dict)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeRepository:
    folder = tmp_path / "checkout"
    folder.mkdir()
    made = MadeRepository(folder)
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(lambda_archive, "_install", lambda _lock, into: into.mkdir(parents=True))
    monkeypatch.setattr(release_deployment, "check_account", lambda *_: "123456789012")
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(cli, ["release", "replication", "--yes"]).exit_code == 0
    made.commit("postman: run", **{POSTMAN: "RUN = 1", SETTINGS: "config: {}\n"})
    return made


@pytest.fixture
def ran(repository: MadeRepository, monkeypatch: pytest.MonkeyPatch) -> Ran:
    seen = Ran()

    def run(code: ReleasedCode, command: Sequence[str], environment: Mapping[str, str]) -> int:
        seen.command, seen.folder, seen.backend = command, code.folder, environment.get("PULUMI_BACKEND_URL", "")
        seen.code, seen.settings = (code.folder / POSTMAN).read_text(), (code.folder / SETTINGS).read_text()
        seen.local = (code.folder / ".local").resolve()
        return seen.exit_code

    def archives(code: ReleasedCode, project: str) -> dict[str, str] | None:
        return archive_digests(code.folder, project) if seen.built == {} else seen.built

    monkeypatch.setattr(ReleasedCode, "prepare", lambda _: seen.knows)
    monkeypatch.setattr(ReleasedCode, "archives", archives)
    monkeypatch.setattr(ReleasedCode, "run", run)
    return seen


def deploy(*options: str, tag: str = TAG, project: str = "replication") -> Result:
    return CliRunner().invoke(cli, ["deploy", project, "prod", "--yes", "--release", tag, *options])


def test_a_release_is_deployed_by_its_own_code_and_settings_with_this_checkouts_state(
    repository: MadeRepository, ran: Ran
) -> None:
    result = deploy()
    assert result.exit_code == 0, result.output
    assert ran.command == ["deploy", "replication", "prod", "--yes", "--end-holds"]
    assert (ran.code, ran.settings) == ("", "config:\n  replication:targets: [dev]\n")
    assert ran.backend == f"file://{repository.folder}/.state?metadata=skip"
    assert ran.local == repository.folder / ".local"
    assert repository.folder not in ran.folder.parents


def test_it_goes_where_the_command_goes_and_ends_as_the_releases_own_command_ends(ran: Ran) -> None:
    ran.exit_code = 1
    assert deploy("--endpoint", "http://localhost:4566", "--suffix", "pr1", "--json").exit_code == 1
    assert ran.command[4:] == ["--end-holds", "--endpoint", "http://localhost:4566", "--suffix", "pr1", "--json"]


def test_with_the_configuration_here_the_settings_are_this_checkouts_and_only_then(
    repository: MadeRepository, ran: Ran
) -> None:
    repository.write(SETTINGS, "config: {a: b}\n")
    assert deploy("--config", "here").exit_code == 0
    assert (ran.code, ran.settings) == ("", "config: {a: b}\n")
    assert deploy().exit_code == 0
    assert ran.settings == "config:\n  replication:targets: [dev]\n"


def test_what_is_left_of_another_clone_in_the_cache_is_made_anew(repository: MadeRepository, ran: Ran) -> None:
    assert deploy().exit_code == 0
    (ran.folder / ".git").unlink()
    (ran.folder / POSTMAN).write_text("BROKEN = 1")
    assert deploy().exit_code == 0
    assert ran.code == ""


def test_an_archive_that_the_notes_do_not_name_so_is_refused_before_anything_changes(ran: Ran) -> None:
    ran.built = {"postman": "f" * 64}
    result = deploy()
    assert result.exit_code == 1
    assert f"The archive of postman is not the one that {TAG} had: it is sha256:{'f' * 64}" in result.stderr
    assert ran.command == ()


def test_a_tag_that_was_fetched_as_its_commit_is_the_release_all_the_same(repository: MadeRepository, ran: Ran) -> None:
    repository.git("tag", "--force", TAG, f"{TAG}^{{commit}}")
    assert deploy().exit_code == 0
    assert ran.code == ""


def test_a_tag_without_notes_is_refused_unless_it_is_older_than_they_are(repository: MadeRepository, ran: Ran) -> None:
    repository.git("tag", "replication/v0.9.0", "HEAD~1")
    result = deploy(tag="replication/v0.9.0")
    assert (result.exit_code, ran.command) == (1, ())
    assert "replication/v0.9.0 was not made by the release command" in result.stderr
    ran.built = None
    result = deploy(tag="replication/v0.9.0")
    assert result.exit_code == 0
    assert "is older than releases' notes" in result.output


def test_a_release_goes_to_the_routes_that_are_named_unless_it_is_older_than_that(ran: Ran) -> None:
    assert deploy("--routes", "dev", "--progressive", "--weight", "10").exit_code == 0
    assert ran.command[4:] == ["--end-holds", "--routes", "dev", "--progressive", "--weight", "10"]
    ran.command, ran.knows = (), "--yes"
    result = deploy("--routes", "dev")
    assert (result.exit_code, ran.command) == (2, ())
    assert f"{TAG} is older than --routes" in result.stderr
    assert deploy().exit_code == 0
    assert list(ran.command) == ["deploy", "replication", "prod", "--yes"]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ({"tag": "v1.0.0"}, 2, "is no release such as replication/v1.4.0"),
        ({"tag": "storage/v1.0.0"}, 2, "is a release of storage, and not of replication"),
        ({"project": "all"}, 2, "is a release of replication, and not of all"),
        ({"tag": "replication/v9.0.0"}, 1, "here, the newest are replication/v1.0.0: `git fetch --tags`"),
    ],
)
def test_what_is_no_release_of_the_project_is_refused(ran: Ran, options: dict[str, str], code: int, says: str) -> None:
    result = deploy(**options)
    assert (result.exit_code, ran.command) == (code, ())
    assert says in result.stderr


def test_a_release_that_masks_nothing_is_refused_for_a_route_that_masks_unless_somebody_says_why(
    repository: MadeRepository, ran: Ran
) -> None:
    exported = {"targets": "dev,staging", "dev_spec": {"masking": {"version": 1}}, "staging_spec": {"masking": {}}}
    root = {"type": "pulumi:pulumi:Stack", "urn": "::replication-prod", "outputs": exported}
    state = {"version": 3, "checkpoint": {"latest": {"resources": [root]}}}
    repository.write(".state/.pulumi/stacks/replication/prod.json", json.dumps(state))
    refused = deploy()
    assert refused.exit_code == MISUSED
    assert (
        f"{TAG} has no masking policy, and the present one has: production's values would go to dev " in refused.stderr
    )
    assert ran.command == ()
    assert deploy("--unmasked", "a drill").exit_code == 0
    (told,) = json.loads(CliRunner().invoke(cli, ["history", "replication", "prod", "--json"]).stdout)["records"]
    assert (told["what"], told["release"], told["said"]) == ("unmasked", "v1.0.0", "a drill")
    assert deploy("--routes", "staging").exit_code == 0, "a route that does not mask is as it was"
    assert CliRunner().invoke(cli, ["deploy", "replication", "prod", "--yes", "--unmasked", "x"]).exit_code == MISUSED


@pytest.mark.parametrize(
    ("masking", "compiler", "masks"),
    [("policies/dev.yaml", True, True), ("policies/dev.yaml", False, False), ("none", True, False)],
)
def test_a_release_masks_where_its_settings_name_a_policy_and_its_code_knows_of_policies(
    tmp_path: Path, masking: str, compiler: bool, masks: bool
) -> None:
    settings = tmp_path / "Pulumi.prod.yaml"
    settings.write_text(f"config: {{'replication:targets': [{{environment: dev, masking: {masking}}}]}}")
    if compiler:
        (tmp_path / "packages" / "masking_policy").mkdir(parents=True)
    exported = {"targets": "dev", "dev_spec": {"masking": {"version": 1}}}
    with nullcontext() if masks else pytest.raises(OperatorError, match="has no masking policy"):
        require_masking_release(TAG, tmp_path, settings, exported, (), None)


def test_where_there_is_no_repository_the_refusal_says_so(repository: MadeRepository, ran: Ran) -> None:
    shutil.rmtree(repository.folder / ".git")
    result = deploy()
    assert (result.exit_code, ran.command) == (1, ())
    assert "not a git repository" in result.stderr


def test_settings_of_this_checkout_go_with_a_release_alone(repository: MadeRepository) -> None:
    result = CliRunner().invoke(cli, ["deploy", "replication", "prod", "--config", "here"])
    assert result.exit_code == 2
    assert "--config goes with --release" in result.stderr


def test_a_release_is_asked_about_where_a_deploy_is(ran: Ran) -> None:
    result = CliRunner().invoke(cli, ["deploy", "replication", "prod", "--release", TAG])
    assert (result.exit_code, ran.command) == (2, ())
    assert "Nobody is at a terminal to confirm a change to replication/prod" in result.stderr

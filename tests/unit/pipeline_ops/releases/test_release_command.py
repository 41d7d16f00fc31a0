"""`release` on a repository of the test's own: what it refuses, what it proposes, and what it leaves behind."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline_common.infra import lambda_archive
from pipeline_common.release import Release
from pipeline_ops.cli import cli
from pipeline_ops.releases.archives import archive_digests
from pipeline_ops.releases.notes import archives_noted
from tests.unit.pipeline_ops.repositories import CONTRACTS, IDENTITY, POSTMAN, MadeRepository

OWN = "projects/replication/src/replication_project/parts.py"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeRepository:
    folder = tmp_path / "checkout"
    folder.mkdir()
    made = MadeRepository(folder)
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(lambda_archive, "_install", lambda _lock, into: into.mkdir(parents=True))
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return made


def release(*options: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["release", "replication", *options], input=typed)


def released(*options: str) -> dict[str, Any]:
    result = release("--yes", "--json", *options)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def state(repository: MadeRepository) -> tuple[str, str, str]:
    return repository.git("rev-parse", "HEAD"), repository.git("tag"), repository.git("status", "--porcelain")


def test_a_release_is_an_annotated_tag_of_a_commit_that_holds_its_notes(repository: MadeRepository) -> None:
    told = released()
    assert (told["release"], told["former"]) == ("replication/v1.0.0", None)
    assert repository.git("cat-file", "-t", "replication/v1.0.0") == "tag"
    assert repository.git("rev-parse", "replication/v1.0.0^{commit}") == told["commit"]
    changelog = repository.git("show", "replication/v1.0.0:CHANGELOG.md")
    notes = repository.git("for-each-ref", "--format=%(contents)", "refs/tags/replication/v1.0.0")
    assert notes.startswith("## replication v1.0.0 (")
    assert notes in changelog
    assert (
        archives_noted(changelog, Release.parse(told["release"]))
        == told["archives"]
        == archive_digests(repository.folder, "replication")
    )
    assert repository.git("log", "-1", "--format=%s") == "replication: release v1.0.0"
    assert repository.git("worktree", "list").count("\n") == 0


def test_nothing_has_to_be_released_where_nothing_of_the_project_has_changed(repository: MadeRepository) -> None:
    released()
    repository.commit("other: change", **{"packages/other/src/other/__init__.py": "changed = 1"})
    before = state(repository)
    result = release()
    assert result.exit_code == 0
    assert result.stdout == (
        "Nothing that replication is made of has changed since replication/v1.0.0: there is nothing to release.\n"
    )
    assert json.loads(release("--json").stdout)["released"] is False
    assert state(repository) == before


def test_the_version_is_proposed_by_areas_and_contract_and_the_other_is_said(repository: MadeRepository) -> None:
    released()
    repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    assert released()["version"] == "v1.0.1"
    repository.commit("replication: send twice", **{OWN: "SEND = 2"})
    assert released()["version"] == "v1.1.0"
    contract = (repository.folder / CONTRACTS).read_text()
    repository.commit("contracts: add", **{CONTRACTS: contract + "    added: str\n"})
    told = released()
    assert (told["version"], told["why"]) == ("v1.2.0", "its contract has added besides")
    repository.commit("contracts: take out", **{CONTRACTS: contract})
    assert released()["version"] == "v2.0.0"
    repository.commit("postman: walk", **{POSTMAN: "RUN = 0"})
    told = released("--bump", "minor")
    assert (told["version"], told["proposed"]) == ("v2.1.0", "patch")


def test_the_notes_say_what_has_to_be_deployed_first_and_not_what_is_told_to_people_alone(
    repository: MadeRepository,
) -> None:
    released()
    contract = (repository.folder / CONTRACTS).read_text()
    more = contract.replace("dlq_url: str", "dlq_url: str\n    release: str\n    dlq_alarm: str")
    repository.commit("storage: tell the alarm", **{CONTRACTS: more})
    assert "\nDeploy storage first where that does not export `dlq_alarm` yet.\n" in released()["notes"]


def test_several_releases_are_made_before_they_are_pushed_and_the_named_command_pushes_them_all(
    repository: MadeRepository, tmp_path: Path
) -> None:
    repository.publish(tmp_path / "origin")
    assert released()["version"] == "v1.0.0"
    repository.git("tag", "storage/v1.0.0", "replication/v1.0.0^{tag}")
    repository.git("tag", "--delete", "replication/v1.0.0")
    said = release("--yes").stdout
    assert "replication/v1.0.0 is " in said
    repository.git(*said.split("`")[-2].split()[1:])
    assert repository.git("ls-remote", "--tags", "--refs", "origin").split()[1::2] == [
        "refs/tags/replication/v1.0.0",
        "refs/tags/storage/v1.0.0",
    ]
    assert repository.git("rev-parse", "origin/main") == repository.git("rev-parse", "main")


def test_a_release_that_was_cut_off_before_its_tag_is_made_again_with_its_notes_once(
    repository: MadeRepository,
) -> None:
    first = released()
    repository.git("tag", "--delete", "replication/v1.0.0")
    assert released()["archives"] == first["archives"]
    assert (repository.folder / "CHANGELOG.md").read_text().count("## replication v1.0.0 (") == 1


@pytest.mark.parametrize("file", ["README.md", POSTMAN])
def test_a_dirty_tree_is_refused(repository: MadeRepository, file: str) -> None:
    repository.write(file, "changed")
    before = state(repository)
    result = release("--yes")
    assert result.exit_code == 1
    assert "some changes here are not committed" in result.stderr
    assert state(repository) == before


def test_a_commit_that_is_not_on_mains_history_is_refused(repository: MadeRepository) -> None:
    repository.git("checkout", "--quiet", "-b", "aside")
    repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    result = release("--yes")
    assert result.exit_code == 1
    assert "not on main, which" in result.stderr


def test_what_was_not_pushed_to_main_is_refused_and_so_is_an_old_main(
    repository: MadeRepository, tmp_path: Path
) -> None:
    repository.publish(tmp_path / "origin")
    repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    assert "not on origin/main, which" in release("--yes").stderr
    repository.git("push", "--quiet", "origin", "main")
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert "main has 1 commit more than this checkout: `git pull` first." in release("--yes").stderr


def test_a_release_that_is_not_confirmed_leaves_nothing(repository: MadeRepository) -> None:
    before = state(repository)
    result = release()
    assert result.exit_code == 2
    assert "## replication v1.0.0" in result.stdout
    assert "Nobody is at a terminal" in result.stderr
    assert state(repository) == before


def test_a_tag_that_can_not_be_made_leaves_no_commit_either(repository: MadeRepository) -> None:
    before = state(repository)
    lock = repository.folder / ".git" / "refs" / "tags" / "replication"
    lock.write_text("in the way")
    assert release("--yes").exit_code == 1
    lock.unlink()
    assert state(repository) == before
    assert not (repository.folder / "CHANGELOG.md").exists()


def test_another_project_and_an_unpacked_archive_are_refused(
    repository: MadeRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(cli, ["release", "nothing"]).exit_code == 2
    unpacked = tmp_path / "unpacked" / "projects" / "replication"
    unpacked.mkdir(parents=True)
    (unpacked / "Pulumi.yaml").write_text("name: replication")
    monkeypatch.chdir(unpacked)
    result = release("--yes")
    assert result.exit_code == 1
    assert "git" in result.stderr


def test_a_release_is_built_twice_byte_for_byte(repository: MadeRepository, tmp_path: Path) -> None:
    told = released()
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--branch", "replication/v1.0.0", os.fspath(repository.folder), str(clone))
    (clone / "packages" / "postman" / "src" / "postman" / "__pycache__").mkdir()
    (clone / "packages" / "postman" / "src" / "postman" / "__pycache__" / "a.pyc").write_text("compiled")
    assert archive_digests(clone, "replication") == told["archives"]
    (clone / POSTMAN).write_text("another")
    assert archive_digests(clone, "replication") != told["archives"]

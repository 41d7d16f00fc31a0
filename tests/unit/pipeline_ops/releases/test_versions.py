import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_ops.releases.closure import Closure
from pipeline_ops.releases.versions import checkout_version
from tests.unit.pipeline_ops.repositories import POSTMAN, MadeRepository

ROOT = Path(__file__).parents[4]


@pytest.fixture
def repository(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path)


def version(repository: MadeRepository) -> str:
    return str(checkout_version(repository.folder, "replication"))


def test_the_closure_is_what_the_program_imports_and_what_its_functions_archives_hold(
    repository: MadeRepository,
) -> None:
    assert Closure(repository.folder, "replication").paths == (
        "packages/bag",
        "packages/pipeline_common/src/pipeline_common/__init__.py",
        "packages/pipeline_common/src/pipeline_common/contracts.py",
        "packages/pipeline_common/src/pipeline_common/infra/__init__.py",
        "packages/pipeline_common/src/pipeline_common/infra/archives.py",
        "packages/pipeline_common/src/pipeline_common/infra/lazy.py",
        "packages/pipeline_common/src/pipeline_common/stamps.py",
        "packages/postman",
        "projects/replication",
        "requirements/lambda.txt",
    )


def test_replication_belongs_to_none_of_the_other_projects_and_takes_nothing_of_theirs() -> None:
    closures = {name: Closure(ROOT, name).paths for name in ("storage", "processing", "replication")}
    replicates = ("packages/replicator_lambda", "projects/replication")
    assert set(replicates) <= set(closures["replication"])
    for other in ("storage", "processing"):
        assert not any(path.startswith(replicates) for path in closures[other])
    assert not any("processor_lambda" in path or "pipeline_ops" in path for path in closures["replication"])
    assert "requirements/lambda.txt" not in closures["storage"]


IMPORTS = """
import ast, json, sys
program = ast.parse(open(sys.argv[1]).read())
program.body = [each for each in program.body if isinstance(each, ast.Import | ast.ImportFrom)]
exec(compile(program, sys.argv[1], "exec"))
json.dump([each.__file__ for each in sys.modules.values() if getattr(each, "__file__", None)], sys.stdout)
"""
"""Runs the imports of a program and prints the files of all modules that are loaded then."""


@pytest.mark.parametrize("project", ["storage", "processing", "replication"])
def test_a_closure_has_every_module_that_python_loads_for_the_program(project: str) -> None:
    program = ROOT / "projects" / project / "__main__.py"
    loaded = subprocess.run([sys.executable, "-c", IMPORTS, program], check=True, capture_output=True, text=True).stdout
    ours = [path for path in map(Path, json.loads(loaded)) if "src" in path.parts and path.is_relative_to(ROOT)]
    paths = [ROOT / path for path in Closure(ROOT, project).paths]
    assert len(ours) > 10
    assert [path for path in ours if not any(path.is_relative_to(each) for each in paths)] == []


def test_a_tagged_checkout_has_the_releases_version(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    assert version(repository) == "v1.4.0"


def test_a_checkout_before_the_first_release_counts_every_commit(repository: MadeRepository) -> None:
    newest = repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    assert version(repository) == f"v0.0.0+2.g{newest[:7]}"


def test_what_has_changed_since_counts_only_what_belongs_to_the_project(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    newest = repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    for path in (
        "packages/other/src/other/__init__.py",
        "packages/pipeline_common/src/pipeline_common/unused.py",
        "README.md",
    ):
        repository.commit("other: change", **{path: "changed = 1"})
    repository.commit("requirements: newer tools", **{"requirements/operators.txt": "tool==2"})
    assert version(repository) == f"v1.4.0+1.g{newest[:7]}"


def test_a_commit_counts_once_whatever_stands_in_its_subject(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    repository.commit("postman: run\u2028feature\x0c!: walk", **{POSTMAN: "RUN = 1"})
    assert version(repository).startswith("v1.4.0+1.g")


def test_a_tag_whose_name_holds_anothers_is_no_release(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    repository.tag("replication/x\u2028replication/v9.9.9")
    assert version(repository) == "v1.4.0"


def test_the_newest_release_is_that_of_the_highest_version_which_the_commit_holds(repository: MadeRepository) -> None:
    for name in (
        "replication/v1.10.0",
        "replication/v1.9.0",
        "other/v3.0.0",
        "replication/v4",
        "replication/v5.0.0-rc.1",
        "v6.0.0",
    ):
        repository.tag(name)
    repository.git("checkout", "--quiet", "-b", "aside")
    repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    repository.tag("replication/v7.0.0")
    repository.git("checkout", "--quiet", "main")
    assert version(repository) == "v1.10.0"


@pytest.mark.parametrize("path", [POSTMAN, "projects/replication/new.py", "projects/replication/Pulumi.prod.yaml"])
def test_what_no_commit_holds_is_dirty_a_new_file_too(repository: MadeRepository, path: str) -> None:
    repository.tag("replication/v1.4.0")
    first = repository.git("rev-parse", "HEAD")
    repository.write(path, "changed = 1")
    assert version(repository) == f"v1.4.0+0.g{first[:7]}.dirty"


def test_what_is_changed_elsewhere_is_not_dirty(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    repository.write("packages/other/src/other/__init__.py", "changed = 1")
    repository.write("docs/new.md", "new")
    assert version(repository) == "v1.4.0"


def test_a_module_that_is_imported_now_belongs_to_the_project_before_it_is_committed(
    repository: MadeRepository,
) -> None:
    repository.tag("replication/v1.4.0")
    repository.write("packages/pipeline_common/src/pipeline_common/fresh.py", "")
    assert version(repository) == "v1.4.0"
    repository.write("projects/replication/__main__.py", "import pipeline_common.fresh\n")
    assert "packages/pipeline_common/src/pipeline_common/fresh.py" in Closure(repository.folder, "replication").paths
    assert version(repository).endswith(".dirty")


def test_an_unpacked_archive_has_an_unknown_version_also_within_another_repository(
    repository: MadeRepository, tmp_path: Path
) -> None:
    unpacked = tmp_path / "ignored"
    for path in repository.git("ls-files").splitlines():
        copy = unpacked / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((tmp_path / path).read_bytes())
    assert str(checkout_version(unpacked, "replication")) == "v0.0.0+unknown"


def test_without_git_the_version_is_unknown(repository: MadeRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert version(repository) == "v0.0.0+unknown"


def test_a_clone_without_its_history_has_an_unknown_version_and_not_a_wrong_one(
    repository: MadeRepository, tmp_path: Path
) -> None:
    repository.commit("postman: run", **{POSTMAN: "RUN = 1"})
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{tmp_path}", str(clone))
    assert str(checkout_version(clone, "replication")) == "v0.0.0+unknown"


def test_a_hooks_environment_leads_to_no_other_repository(
    repository: MadeRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.tag("replication/v1.4.0")
    monkeypatch.setenv("GIT_DIR", os.fspath(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", os.fspath(tmp_path / "no-index"))
    assert version(repository) == "v1.4.0"


def test_a_program_that_can_not_be_read_is_versioned_all_the_same(repository: MadeRepository) -> None:
    repository.tag("replication/v1.4.0")
    repository.write("projects/replication/__main__.py", "import (")
    assert version(repository).endswith(".dirty")

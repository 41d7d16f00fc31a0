"""Function archives: the same bytes wherever and however often they are built, without a network here."""

import os
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from pipeline_common.infra import lambda_archive
from pipeline_common.infra.lambda_archive import ArchiveError, build, engine_folder, function_archive


class Installer:
    """Leaves behind what installers do, differently each time."""

    def __init__(self) -> None:
        self.runs = 0
        self.extra: dict[str, str] = {}

    def __call__(self, _lock: Path, folder: Path) -> None:
        self.runs += 1
        files = {
            "lib/__init__.py": "1",
            "lib/__pycache__/__init__.cpython-311.pyc": f"compiled in run {self.runs}",
            "lib-1.0.dist-info/RECORD": f"run {self.runs}",
            "lib-1.0.dist-info/INSTALLER": f"tool {self.runs}",
            "lib-1.0.dist-info/METADATA": "the same",
            "bin/tool": f"#!/run/{self.runs}/python",
            ".lock": "",
            "boto3/data/s3/resources.json": "never read",
            "botocore/data/endpoints.json": "read",
            "botocore/data/s3/service-2.json": "read",
            "botocore/data/ec2/service-2.json": "never read",
            **self.extra,
        }
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600 + 0o077 * (self.runs % 2))


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installer:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    installed = Installer()
    monkeypatch.setattr(lambda_archive, "_install", installed)
    return installed


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    package = root / "packages" / "worker" / "src" / "worker"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "handler.py").write_text("def handle(): ...")
    (package / "__pycache__" / "handler.cpython-311.pyc").write_text("compiled")
    needs = '["lib>=1", "worker-tools", "worker-extras>=1; python_version>\'3\'"]'
    project = f'[project]\nname = "worker"\ndependencies = {needs}'
    (root / "packages" / "worker" / "pyproject.toml").write_text(project)
    for name, needed in (("worker_tools", "worker-extras"), ("worker_extras", "worker"), ("not_needed", "lib")):
        (root / "packages" / name / "src" / name).mkdir(parents=True)
        (root / "packages" / name / "src" / name / "__init__.py").write_text("")
        project = f'[project]\nname = "{name}"\ndependencies = ["{needed}"]'
        (root / "packages" / name / "pyproject.toml").write_text(project)
    (root / "requirements").mkdir()
    (root / "requirements" / "lambda.txt").write_text("lib==1.0 --hash=sha256:1")
    return root


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes()) for path in files}


def test_two_installations_give_identical_trees(
    installer: Installer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("worker", repository=repository, into=tmp_path / "one")
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "another cache"))
    build("worker", repository=repository, into=tmp_path / "two")
    assert installer.runs == 2
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert sorted(tree(tmp_path / "one")) == [
        "botocore/data/endpoints.json",
        "botocore/data/s3/service-2.json",
        "lib-1.0.dist-info/METADATA",
        "lib/__init__.py",
        "worker/__init__.py",
        "worker/handler.py",
        "worker_extras/__init__.py",
        "worker_tools/__init__.py",
    ]


def test_a_package_brings_those_it_needs_and_what_they_need_and_no_other(
    installer: Installer, repository: Path, tmp_path: Path
) -> None:
    build("worker", repository=repository, into=tmp_path / "built")
    folders = {path.name for path in (tmp_path / "built").iterdir()}
    assert folders >= {"worker", "worker_tools", "worker_extras"}
    assert "not_needed" not in folders


def test_a_lock_is_installed_once_and_a_changed_one_anew(
    installer: Installer, repository: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        build("worker", repository=repository, into=tmp_path / "built")
    assert installer.runs == 1
    (repository / "requirements" / "lambda.txt").write_text("lib==1.1 --hash=sha256:2")
    build("worker", repository=repository, into=tmp_path / "built")
    assert installer.runs == 2


def test_a_source_that_was_removed_is_not_in_the_next_archive(
    installer: Installer, repository: Path, tmp_path: Path
) -> None:
    build("worker", repository=repository, into=tmp_path / "built")
    (repository / "packages/worker/src/worker/handler.py").unlink()
    build("worker", repository=repository, into=tmp_path / "built")
    assert "worker/handler.py" not in tree(tmp_path / "built")


def test_an_installation_that_failed_is_not_taken_for_a_finished_one(
    installer: Installer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_lock: Path, folder: Path) -> None:
        folder.mkdir()
        raise ArchiveError("no network")

    monkeypatch.setattr(lambda_archive, "_install", fail)
    with pytest.raises(ArchiveError, match="no network"):
        build("worker", repository=repository, into=tmp_path / "built")
    monkeypatch.setattr(lambda_archive, "_install", installer)
    build("worker", repository=repository, into=tmp_path / "built")
    assert installer.runs == 1


def test_compiled_code_is_refused_because_it_runs_on_one_processor_alone(
    installer: Installer, repository: Path, tmp_path: Path
) -> None:
    installer.extra = {"lib/fast.cpython-313-aarch64-linux-gnu.so": "machine code"}
    with pytest.raises(ArchiveError, match=r"brings compiled code \(fast"):
        build("worker", repository=repository, into=tmp_path / "built")


def test_a_package_that_does_not_exist_is_refused(installer: Installer, repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no package 'wroker'"):
        build("wroker", repository=repository, into=tmp_path / "built")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_the_archive_is_named_relative_to_the_engines_folder_and_built_there(
    installer: Installer, repository: Path, tmp_path: Path, elsewhere: Path
) -> None:
    engine = tmp_path / "engine"
    with engine_folder(engine):
        archive = function_archive("worker", repository=repository)
    code = archive.assets["worker"]
    assert isinstance(code, pulumi.FileArchive)
    assert code.path == "./.build/worker/worker"
    assert (engine / code.path / "handler.py").is_file()
    assert list(elsewhere.iterdir()) == []


def test_by_hand_the_engines_folder_is_the_current_one(installer: Installer, repository: Path, elsewhere: Path) -> None:
    code = function_archive("worker", repository=repository).assets["worker"]
    assert isinstance(code, pulumi.FileArchive)
    assert (elsewhere / code.path / "handler.py").is_file()


@pytest.mark.parametrize(
    ("line", "said"), [("lib==1.0", "hash"), ("lib==1.0 --hash=sha256:" + "0" * 64, "lib was not found")]
)
def test_what_has_no_hash_or_can_not_be_found_is_not_installed_and_uv_says_why(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    (repository / "requirements" / "lambda.txt").write_text(f"--no-index\n{line}\n")
    with pytest.raises(ArchiveError, match=r"could not be installed from requirements.lambda.txt") as caught:
        build("worker", repository=repository, into=tmp_path / "built")
    assert said in " ".join(str(caught.value).split())

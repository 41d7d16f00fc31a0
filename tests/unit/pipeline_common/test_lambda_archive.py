"""Function archives: the same bytes wherever and however often they are built, without a network here."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from uv import find_uv_bin

from pipeline_common.infra import byte_code, lambda_archive
from pipeline_common.infra.byte_code import RUNTIME_PYTHON, Python, this_python
from pipeline_common.infra.lambda_archive import RUNTIME, ArchiveError, build, engine_folder, function_archive
from pipeline_common.release import Version, deploying


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
    with engine_folder(engine, this_python()):
        archive = function_archive("worker", repository=repository)
    code = archive.assets["worker"]
    assert isinstance(code, pulumi.FileArchive)
    assert code.path == "./.build/worker/worker"
    assert (engine / code.path / "handler.py").is_file()
    assert list(elsewhere.iterdir()) == []


def test_by_hand_the_engines_folder_is_the_current_one(
    installer: Installer, uv: "Uv", repository: Path, elsewhere: Path
) -> None:
    code = function_archive("worker", repository=repository).assets["worker"]
    assert isinstance(code, pulumi.FileArchive)
    assert (elsewhere / code.path / "handler.py").is_file()


class Uv:
    """Has the runtime's Python, or can't get it; another one stands for it, which is not to be seen from outside."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.has(this_python().executable)

    def has(self, python: Path | None) -> None:
        """Have it find this one; None for none."""
        fails = "exit 2" if python is None else f"echo {python}"
        self.program.write_text(f'#!/bin/sh\necho "$@" >> {self.program}.asked\n{fails}\n')
        self.program.chmod(0o755)

    def asked(self) -> str:
        """Return the commands that it was given."""
        return self.program.with_name("uv.asked").read_text()


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    monkeypatch.setattr(byte_code, "find_uv_bin", lambda: str(tmp_path / "uv"))
    return Uv(tmp_path / "uv")


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lines.append)
    return lines


def byte_code_of(folder: Path) -> set[str]:
    return {f"{path.parents[1].name}/{path.name}" for path in folder.rglob("*.pyc")}


def test_an_archive_has_byte_code_of_the_very_python_of_the_runtime_which_uv_is_asked_for(
    installer: Installer, uv: Uv, repository: Path, elsewhere: Path, warned: list[str]
) -> None:
    function_archive("worker", repository=repository)
    tag = sys.implementation.cache_tag
    expected = {f"lib/__init__.{tag}.pyc", f"worker/__init__.{tag}.pyc", f"worker/handler.{tag}.pyc"}
    assert byte_code_of(elsewhere) >= expected
    assert f"python install --no-bin cpython@{RUNTIME_PYTHON}" in uv.asked()
    assert RUNTIME_PYTHON.startswith(RUNTIME.removeprefix("python") + ".")
    assert warned == []


def test_byte_code_is_the_same_wherever_it_is_made_and_is_read_without_a_look_at_its_source(
    installer: Installer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("worker", repository=repository, into=tmp_path / "one", python=this_python())
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "another cache"))
    build("worker", repository=repository, into=tmp_path / "deeper" / "two", python=this_python())
    assert tree(tmp_path / "one") == tree(tmp_path / "deeper" / "two")
    compiled = {path: content for path, (_, content) in tree(tmp_path / "one").items() if path.endswith(".pyc")}
    assert not [path for path, content in compiled.items() if str(tmp_path).encode() in content]
    # https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
    assert {content[4:8] for content in compiled.values()} == {b"\x01\0\0\0"}
    assert {content[:4] for content in compiled.values()} == {importlib.util.MAGIC_NUMBER}


def test_a_local_clouds_functions_get_byte_code_of_the_python_that_runs_them_and_uv_is_not_asked(
    installer: Installer, uv: Uv, repository: Path, tmp_path: Path
) -> None:
    uv.has(None)
    with engine_folder(tmp_path / "engine", this_python()):
        function_archive("worker", repository=repository)
    assert f"worker/handler.{sys.implementation.cache_tag}.pyc" in byte_code_of(tmp_path / "engine")


@pytest.mark.parametrize("answer", ["exit 2", "exec sleep 60", None], ids=["fails", "hangs", "is not there"])
def test_where_the_runtimes_python_can_not_be_had_a_deploy_says_so_in_a_line_and_goes_on(
    installer: Installer,
    uv: Uv,
    repository: Path,
    elsewhere: Path,
    warned: list[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
) -> None:
    monkeypatch.setattr(byte_code, "_DOWNLOAD_SECONDS", 0.2)
    if answer:
        uv.program.write_text(f"#!/bin/sh\n{answer}\n")
    else:
        uv.program.unlink()
    with deploying(Version.parse("v1.4.0+3.gabc1234")):
        function_archive("worker", repository=repository)
    assert byte_code_of(elsewhere) == set()
    assert warned == [f"The functions get no byte code of Python {RUNTIME_PYTHON}: each cold start takes longer."]


def test_a_release_without_byte_code_would_be_another_archive_and_is_refused_unless_asked_for(
    installer: Installer,
    uv: Uv,
    repository: Path,
    elsewhere: Path,
    warned: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uv.has(None)
    with deploying(Version.parse("v1.4.0")):
        with pytest.raises(ArchiveError, match=rf"`uv python install {RUNTIME_PYTHON}`.*DATA_PIPELINE_BYTE_CODE=none"):
            function_archive("worker", repository=repository)
        monkeypatch.setenv("DATA_PIPELINE_BYTE_CODE", "none")
        function_archive("worker", repository=repository)
    assert byte_code_of(elsewhere) == set()
    assert len(warned) == 1


def test_a_releases_byte_code_is_made_of_the_sources_that_its_digest_is_of_and_is_not_what_a_cache_holds(
    installer: Installer, uv: Uv, repository: Path, tmp_path: Path, elsewhere: Path
) -> None:
    function_archive("worker", repository=repository)
    made = tree(elsewhere)
    for path in (tmp_path / "cache").rglob("*.pyc"):
        path.write_bytes(b"planted")
    with deploying(Version.parse("v1.4.0")):
        function_archive("worker", repository=repository)
    assert tree(elsewhere) == made


def test_code_that_the_runtimes_python_can_not_read_is_refused_with_its_place(
    installer: Installer, repository: Path, tmp_path: Path
) -> None:
    (repository / "packages/worker/src/worker/handler.py").write_text("def handle(:\n")
    with pytest.raises(ArchiveError, match=r"(?s)3\.0 could not compile the functions' code.*handler\.py"):
        build("worker", repository=repository, into=tmp_path / "x", python=Python(this_python().executable, "3.0"))


def test_the_locked_uv_knows_where_to_get_the_runtimes_python() -> None:
    command = [find_uv_bin(), "--no-config", "python", "list", "--only-downloads", f"cpython@{RUNTIME_PYTHON}"]
    assert f"cpython-{RUNTIME_PYTHON}-" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


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

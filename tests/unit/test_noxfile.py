"""The environment that every session shares is this checkout's own, and whole whoever comes first."""

import importlib.util
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import nox.registry
import pytest

ROOT = Path(__file__).parents[2]
BOTH_COME_SECONDS = 0.5
LOCK = "requirements/operators.txt"
PACKAGE = "packages/pipeline_common/pyproject.toml"


class Session:
    """Stands in for nox's session: makes the environment's folder, and counts how often it was asked to."""

    def __init__(self, both: threading.Barrier | None = None) -> None:
        self.made = 0
        self.met = False
        self._both = both

    def run(self, *args: str, **_: Any) -> None:
        if "venv" not in args:
            return
        self.made += 1
        Path(args[-1]).mkdir(parents=True)
        if self._both is not None:
            try:
                self._both.wait(BOTH_COME_SECONDS)
                self.met = True
            except threading.BrokenBarrierError:
                pass


def checkout(folder: Path) -> Path:
    for name in ("noxfile.py", "pyproject.toml", LOCK, PACKAGE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def noxfile(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"noxfile_of_{folder.name}", folder / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(nox.registry._REGISTRY, clear=True):  # a session's name is registered once in a process
        spec.loader.exec_module(module)
    return module


def times_made(folder: Path) -> int:
    session = Session()
    noxfile(folder).make_environment(session)
    return session.made


def test_the_environment_is_made_once(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    assert times_made(folder) == 1
    assert times_made(folder) == 0


@pytest.mark.parametrize("name", [LOCK, PACKAGE])
def test_it_is_made_anew_when_what_it_is_made_from_changes(tmp_path: Path, name: str) -> None:
    folder = checkout(tmp_path)
    times_made(folder)
    (folder / name).write_text("# changed\n")
    assert times_made(folder) == 1


def test_a_copied_checkout_makes_one_of_its_own(tmp_path: Path) -> None:
    original = checkout(tmp_path / "original")
    times_made(original)
    copied = shutil.copytree(original, tmp_path / "copied")
    assert times_made(copied) == 1
    assert times_made(copied) == 0
    assert times_made(original) == 0


def test_a_moved_checkout_makes_it_anew(tmp_path: Path) -> None:
    original = checkout(tmp_path / "original")
    times_made(original)
    assert times_made(original.rename(tmp_path / "moved")) == 1


def test_another_python_makes_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkout(tmp_path)
    times_made(folder)
    monkeypatch.setattr("sys.version", "3.99.0 (another)")
    assert times_made(folder) == 1


def test_what_git_leaves_of_a_removed_package_is_none(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    (folder / "packages" / "removed" / "src" / "removed" / "__pycache__").mkdir(parents=True)
    (only,) = noxfile(folder).WORKSPACE
    assert only == folder / Path(PACKAGE).parent


def test_of_two_first_commands_one_makes_it_and_the_other_waits(tmp_path: Path) -> None:
    module = noxfile(checkout(tmp_path))
    both = threading.Barrier(2)
    sessions = Session(both), Session(both)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(module.make_environment, sessions))
    assert sorted(session.made for session in sessions) == [0, 1]
    assert not any(session.met for session in sessions)


def test_a_making_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    (folder / ".nox" / "workspace" / "half").mkdir(parents=True)
    assert times_made(folder) == 1


def test_without_uv_a_session_ends_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nox.virtualenv.HAS_UV", False, raising=False)
    session = mock.Mock()
    session.error.side_effect = SystemExit
    with pytest.raises(SystemExit):
        noxfile(checkout(tmp_path)).make_environment(session)
    assert 'pip install "nox[uv]"' in session.error.call_args.args[0]


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ([], ["tests/unit"]),
        (["-k", "items"], ["tests/unit", "-k", "items"]),
        (["-k", "tests"], ["tests/unit", "-k", "tests"]),
        (["-x", "-q"], ["tests/unit", "-x", "-q"]),
        (["--deselect", "tests/unit/test_noxfile.py"], ["tests/unit", "--deselect", "tests/unit/test_noxfile.py"]),
        (["tests/unit/test_noxfile.py"], ["tests/unit/test_noxfile.py"]),
        (["-q", "tests/unit/test_noxfile.py::test_x", "-x"], ["-q", "tests/unit/test_noxfile.py::test_x", "-x"]),
        ([str(ROOT / "tests/unit/test_noxfile.py")], [str(ROOT / "tests/unit/test_noxfile.py")]),
        (["tests/unit/pipeline_ops"], ["tests/unit/pipeline_ops"]),
    ],
)
def test_a_path_is_all_that_runs_and_other_arguments_go_with_the_sessions_own(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], run: list[str]
) -> None:
    monkeypatch.chdir(ROOT)
    module = noxfile(ROOT)
    ran: list[list[str]] = []
    monkeypatch.setattr(module, "run", lambda _session, *called: ran.append(list(called)))
    module.pytest(mock.Mock(posargs=arguments), "tests/unit")
    assert ran == [["pytest", *run]]


@pytest.mark.parametrize(
    ("arguments", "checked", "formatted"),
    [
        ([], ["."], ["."]),
        (["--fix"], [".", "--fix"], ["."]),
        (["--select", "E501"], [".", "--select", "E501"], ["."]),
        (["--config", "pyproject.toml"], [".", "--config", "pyproject.toml"], ["."]),
        (["tests"], ["tests"], ["tests"]),
        (["--fix", "noxfile.py", "tests/unit"], ["--fix", "noxfile.py", "tests/unit"], ["noxfile.py", "tests/unit"]),
    ],
)
def test_the_style_of_all_is_checked_unless_a_path_is_named_and_options_are_for_the_checker(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], checked: list[str], formatted: list[str]
) -> None:
    ran = session_runs(monkeypatch, "lint", arguments)
    assert ran == [["ruff", "check", *checked], ["ruff", "format", "--check", *formatted]]


def test_the_types_of_all_are_checked_unless_a_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert session_runs(monkeypatch, "types", ["--pretty", "tests/unit"]) == [["mypy", "--pretty", "tests/unit"]]
    everything = ["noxfile.py", "packages", "projects", "tests", "benchmarks"]
    for options in ([], ["--pretty"]):
        assert session_runs(monkeypatch, "types", options) == [["mypy", *everything, *options]]


def session_runs(monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str]) -> list[list[str]]:
    """Return what a session runs for these arguments."""
    monkeypatch.chdir(ROOT)
    module = noxfile(ROOT)
    ran: list[list[str]] = []
    monkeypatch.setattr(module, "run", lambda _session, *called: ran.append(list(called)))
    getattr(module, name)(mock.Mock(posargs=arguments))
    return ran

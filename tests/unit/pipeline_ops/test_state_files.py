"""A state in a folder whose disk was full: what is wrong with it, and what puts it right."""

import os
import shlex
import shutil
from pathlib import Path

import pytest

from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.state import Backend, aws_backend, folder_backend
from pipeline_ops.state_files import back_up, damage
from pipeline_ops.where import Where

STACK = StackId("storage", "dev")
PROJECTS = Projects(None, Where(local=True))  # type: ignore[arg-type] # reads no files
WHOLE = '{"version": 3, "checkpoint": {"latest": {}}}'
CUT_OFF = [WHOLE[:20], "", "[]", "{}"]


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    folder = tmp_path / "a folder"
    state_of(folder).parent.mkdir(parents=True)
    return folder_backend(folder)


def state_of(folder: Path, stack: StackId = STACK) -> Path:
    return folder / ".pulumi" / "stacks" / stack.project / f"{stack.environment}.json"


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


def test_nothing_is_wrong_with_a_whole_state_or_none(backend: Backend, tmp_path: Path) -> None:
    assert damage(backend, PROJECTS, STACK) is None
    state_of(folder_of(tmp_path)).write_text(WHOLE)
    assert damage(backend, PROJECTS, STACK) is None
    assert damage(Backend("s3://state"), PROJECTS, STACK) is None


@pytest.mark.parametrize("content", CUT_OFF)
def test_a_state_that_is_cut_off_is_named_with_the_command_that_puts_it_right(
    backend: Backend, tmp_path: Path, content: str
) -> None:
    state = state_of(folder_of(tmp_path))
    state.write_text(WHOLE)
    back_up(backend, STACK)
    state.write_text(content)
    said = damage(backend, PROJECTS)
    assert said is not None
    assert str(state) in said
    assert "`nox -s refresh -- storage dev --local`" in said
    command, source, target = shlex.split(said.partition("`")[2].partition("`")[0])
    assert command == "cp"
    shutil.copyfile(source, target)
    assert state.read_text() == WHOLE
    assert damage(backend, PROJECTS, STACK) is None


def test_the_newest_whole_copy_is_named_whoever_made_it(backend: Backend, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    pulumi = folder / ".pulumi"
    copies = [
        state_of(folder).with_suffix(".json.bak"),
        pulumi / "history" / "storage" / "dev" / "dev-1.checkpoint.json",
        pulumi / "backups" / "storage" / "dev" / "dev.1.json",
        pulumi / "backups" / "storage" / "dev" / "dev.2.json",
    ]
    for age, (copy, content) in enumerate(zip(copies, (WHOLE, WHOLE, WHOLE, WHOLE[:9]), strict=True)):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content)
        os.utime(copy, (age, age))
    state_of(folder).write_text("")
    assert f"{copies[2]}" in str(damage(backend, PROJECTS))


def test_without_a_whole_copy_none_is_promised(backend: Backend, tmp_path: Path) -> None:
    state_of(folder_of(tmp_path)).write_text("")
    assert "there is no whole copy" in str(damage(backend, PROJECTS))


def test_a_copy_is_never_made_of_what_is_cut_off(backend: Backend, tmp_path: Path) -> None:
    state = state_of(folder_of(tmp_path))
    for content in (WHOLE, ""):
        state.write_text(content)
        state.chmod(0o600)
        back_up(backend, STACK)
    copy = folder_of(tmp_path) / "backup" / "storage" / "dev.json"
    assert copy.read_text() == WHOLE
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_run_for_whose_copy_there_is_no_room_is_refused(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_of(folder_of(tmp_path)).write_text(WHOLE)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OperatorError, match=r"No space left on device\): make room first"):
        back_up(backend, STACK)


def test_what_a_killed_run_left_beside_a_whole_state_is_to_be_removed(backend: Backend, tmp_path: Path) -> None:
    # Of backends that are named by a URL of the operator's own, which Pulumi keeps such files in.
    state = state_of(folder_of(tmp_path))
    state.write_text(WHOLE)
    sidecar = state.with_suffix(".json.attrs")
    sidecar.write_text("{}")
    assert damage(backend, PROJECTS, STACK) is None
    sidecar.write_text("")
    said = str(damage(backend, PROJECTS, STACK))
    assert shlex.split(said.partition("`")[2].partition("`")[0]) == ["rm", str(sidecar)]


def test_an_empty_lock_is_told_from_a_run_that_goes_on(backend: Backend, tmp_path: Path) -> None:
    lock = folder_of(tmp_path) / ".pulumi" / "locks" / "organization" / "storage" / "dev" / "x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text('{"pid": 7}')
    assert damage(backend, PROJECTS, STACK) is None
    sidecar = lock.with_suffix(".json.attrs")
    sidecar.write_text("")
    assert "nox -s unlock" in str(damage(backend, PROJECTS, STACK))
    sidecar.unlink()
    lock.write_text("")
    said = str(damage(backend, PROJECTS, STACK))
    assert str(lock) in said
    assert "`nox -s unlock -- storage dev --local`" in said
    assert damage(backend, PROJECTS, StackId("storage", "prod")) is None


@pytest.mark.parametrize(("url", "place"), [("file://~", "."), ("file://~/st", "st"), ("file://./st", "st")])
def test_a_folder_that_is_relative_to_the_home_or_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path if "~" not in url else tmp_path.parent)
    state = state_of(tmp_path / place)
    state.parent.mkdir(parents=True)
    state.write_text(WHOLE)
    backend = aws_backend(tmp_path, {"PULUMI_BACKEND_URL": f"{url}?metadata=skip"})
    assert backend.url == f"{(tmp_path / place).as_uri()}?metadata=skip", "Pulumi works in another folder"
    back_up(backend, STACK)
    state.write_text("")
    assert "puts the last whole copy back" in str(damage(backend, PROJECTS))

"""What holds production's keys is its owner's alone, under any umask and where it was open to others before."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_ops.private_files import make_missing_folders, open_private, private_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _any_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_and_folders_are_private_whether_they_are_made_or_were_there(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "below"
    private_folder(folder)
    assert (mode(folder.parent), mode(folder)) == (0o700, 0o700)
    folder.chmod(0o755)
    private_folder(folder)
    assert mode(folder) == 0o700
    file = folder / "report"
    open_private(file).close()
    assert mode(file) == 0o600
    file.write_text("earlier")
    file.chmod(0o644)
    open_private(file).close()
    assert (mode(file), file.read_text()) == (0o600, "")


def test_what_is_somebodys_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_missing_folders(tmp_path / "a" / "b")
    assert (mode(tmp_path), mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, 0o700, 0o700)
    device = mode(Path(os.devnull))
    open_private(Path(os.devnull)).close()
    assert mode(Path(os.devnull)) == device

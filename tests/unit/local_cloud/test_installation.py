"""The emulator's environment: made once, whole or not at all. The locks here ask for nothing to be downloaded."""

import hashlib
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_cloud.errors import LocalCloudError
from local_cloud.installation import emulator_lock, ensure_emulator


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "emulator.txt"
    path.write_text("# nothing\n")
    return path


def left_over(cache: Path) -> list[str]:
    return [path.name for path in (cache / "emulator").iterdir() if path.name.startswith(".installing")]


def test_an_environment_is_made_once(cache: Path, lock: Path) -> None:
    said: list[str] = []
    python = ensure_emulator(said.append, lock)
    assert python.exists()
    assert ensure_emulator(said.append, lock) == python
    assert len(said) == 1
    assert left_over(cache) == []


def test_another_lock_gets_another_environment(cache: Path, lock: Path) -> None:
    before = ensure_emulator(lambda _: None, lock)
    lock.write_text("# nothing else\n")
    assert ensure_emulator(lambda _: None, lock) != before


def test_concurrent_callers_install_once(cache: Path, lock: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(4) as threads:
        pythons = set(threads.map(lambda _: ensure_emulator(said.append, lock), range(4)))
    assert len(pythons) == 1
    assert len(said) == 1


def test_an_environment_whose_python_is_gone_is_made_again(cache: Path, lock: Path) -> None:
    python = ensure_emulator(lambda _: None, lock)
    python.unlink()
    assert ensure_emulator(lambda _: None, lock).exists()


def wheel(folder: Path) -> str:
    """Make a wheel of nothing in the folder and return its hash."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("hashed", "installed"), [("right", True), ("wrong", False), ("none", False)])
def test_a_package_is_installed_only_with_its_hash_and_a_refused_one_leaves_nothing(
    cache: Path, lock: Path, tmp_path: Path, hashed: str, installed: bool
) -> None:
    digest = wheel(tmp_path)
    option = {"right": f" --hash=sha256:{digest}", "wrong": f" --hash=sha256:{'0' * 64}", "none": ""}[hashed]
    lock.write_text(f"--no-index\n--find-links {tmp_path}\ntiny==1.0{option}\n")
    if installed:
        python = ensure_emulator(lambda _: None, lock)
        assert subprocess.run([python, "-c", "import tiny"], check=False).returncode == 0
        return
    with pytest.raises(LocalCloudError, match=r"could not be installed from emulator\.txt"):
        ensure_emulator(lambda _: None, lock)
    assert left_over(cache) == []
    assert not [path for path in (cache / "emulator").iterdir() if path.is_dir()]


def test_the_checkouts_lock_is_found_and_pins_the_emulator_with_hashes() -> None:
    text = emulator_lock().read_text()
    assert "ministack==" in text
    assert "--hash=sha256:" in text

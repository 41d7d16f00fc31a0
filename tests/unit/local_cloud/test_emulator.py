"""The emulator's process, with a small server in the emulator's place."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from local_cloud import emulator
from local_cloud.credentials import Credentials
from local_cloud.emulator import EmulatorProcess, emulator_environment, free_port, start_emulator
from local_cloud.endpoint import wait_until_healthy
from local_cloud.errors import LocalCloudError
from tests.polling import eventually
from tests.unit.local_cloud.emulation import fake_python


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "emulator").mkdir(parents=True)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def status(endpoint: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{endpoint}/_ministack/health") as answer:
        content: dict[str, int] = json.load(answer)
        return content


def test_stopping_it_ends_its_workers_too_and_removes_its_files(tmp_path: Path) -> None:
    process = EmulatorProcess(fake_python(tmp_path), free_port(0))
    try:
        assert wait_until_healthy(process.endpoint, 20, process.is_alive)
        pids = status(process.endpoint)
        assert is_running(pids["pid"])
        assert is_running(pids["worker"])
        folder = Path(f"/proc/{pids['pid']}/cwd").resolve()
    finally:
        process.stop()
    assert not process.is_alive()
    eventually(lambda: not is_running(pids["pid"]) and not is_running(pids["worker"]), what="all of it ended", within=5)
    assert not folder.exists()
    process.stop()  # again is fine


OWNER = """
import sys, time
from pathlib import Path
from local_cloud.credentials import Credentials
from local_cloud.emulator import EmulatorProcess
from local_cloud.endpoint import wait_until_healthy
process = EmulatorProcess(Path(sys.argv[1]), int(sys.argv[2]))
assert wait_until_healthy(process.endpoint, 20, process.is_alive)
print("up", flush=True)
time.sleep(600)
"""


def test_it_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    port = free_port(0)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(fake_python(tmp_path)), str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        pids = status(f"http://127.0.0.1:{port}")
        folder = Path(f"/proc/{pids['pid']}/cwd").resolve()
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    eventually(
        lambda: not is_running(pids["pid"]) and not is_running(pids["worker"]), what="all of it ended", within=15
    )
    eventually(lambda: not folder.exists(), what="its files are gone", within=10)


def test_it_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can tie a process to its parent's end")
    process = EmulatorProcess(fake_python(tmp_path), free_port(0))
    try:
        assert wait_until_healthy(process.endpoint, 20, process.is_alive)
        pid = status(process.endpoint)["pid"]
        supervisor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not is_running(pid), what="the emulator ended", within=5)
    finally:
        process.stop()


def test_what_it_said_last_explains_why_it_did_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake_python(tmp_path, "print('the disk is full'); raise SystemExit(3)")
    monkeypatch.setattr(emulator, "ensure_emulator", lambda _progress: python)
    with pytest.raises(LocalCloudError, match="the disk is full"):
        start_emulator(lambda _: None)


def test_a_taken_port_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr(emulator, "PREFERRED_PORT", taken)
        monkeypatch.setattr(emulator, "ensure_emulator", lambda _progress: fake_python(tmp_path))
        said: list[str] = []
        process = start_emulator(said.append)
        process.stop()
    assert process.endpoint != f"http://127.0.0.1:{taken}"
    assert str(taken) not in said[-1]


def test_nothing_of_the_users_aws_proxies_or_home_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = emulator_environment(4566, tmp_path, Credentials("an id", "a secret"))
    assert "real" not in environment.values()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTPS_PROXY"} & environment.keys()
    assert environment["HOME"] == str(tmp_path)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["AWS_CONFIG_FILE"] == os.devnull

"""The local cloud that stays up: one per checkout, told from what a crashed one left behind."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud import Credentials, LocalCloud
from pipeline_ops.errors import OperatorError
from pipeline_ops.playground import Playground
from tests.polling import eventually

HOLDER = """
import signal, sys, threading
from pathlib import Path
from pipeline_ops.playground import Playground
sys.path.insert(0, sys.argv[2])
from test_playground import system
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
playground = Playground(Path(sys.argv[1]))
with playground.held():
    playground.describe(system())
    stop.wait(60)
"""


def system() -> Any:
    cloud = LocalCloud(
        "http://127.0.0.1:4999", "eu-west-1", Credentials("an id", "a secret"), "000000000000", owned=True
    )
    deployment = SimpleNamespace(backend=SimpleNamespace(url="file:///state"))
    return SimpleNamespace(cloud=cloud, deployment=deployment, outputs={"storage/dev": {"bucket_name": "b"}})


def holder(repository: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(repository), str(Path(__file__).parent)])
    eventually(lambda: Playground(repository).running(), what="it is up", within=20)
    return process


def test_its_description_holds_what_an_outside_script_needs(tmp_path: Path) -> None:
    playground = Playground(tmp_path)
    with playground.held():
        playground.describe(system())
        assert json.loads((tmp_path / ".local" / "cloud.json").read_text()) == {
            "endpoint": "http://127.0.0.1:4999",
            "region": "eu-west-1",
            "credentials": {"aws_access_key_id": "an id", "aws_secret_access_key": "a secret"},
            "pid": os.getpid(),
            "state": "file:///state",
            "stacks": {"storage/dev": {"bucket_name": "b"}},
        }
        running = playground.running()
        assert running is not None
        assert (running.endpoint, running.state) == ("http://127.0.0.1:4999", "file:///state")
        assert running.credentials == Credentials("an id", "a secret")
    assert not playground.description.exists()
    assert playground.running() is None


@pytest.mark.parametrize(
    ("endpoint", "is_it"),
    [
        (None, True),
        ("http://127.0.0.1:4999/", True),
        ("localhost:4999", True),
        ("http://LOCALHOST:4999", True),
        ("http://localhost:4998", False),
        ("https://127.0.0.1:4999", False),
    ],
)
def test_it_is_known_by_its_endpoint_however_that_is_written(tmp_path: Path, endpoint: str | None, is_it: bool) -> None:
    playground = Playground(tmp_path)
    with playground.held():
        playground.describe(system())
        assert (playground.running_at(endpoint) is not None) is is_it
    assert playground.running_at(endpoint) is None


def test_nobody_else_can_read_the_key_of_the_cloud(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir(mode=0o755)
    playground = Playground(tmp_path)
    before = os.umask(0)
    try:
        with playground.held():
            playground.describe(system())
            assert (tmp_path / ".local").stat().st_mode & 0o777 == 0o700
            assert playground.description.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_there_is_one_per_checkout_and_it_can_be_ended_from_outside(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        playground = Playground(tmp_path)
        with pytest.raises(OperatorError, match=r"already up at http://127\.0\.0\.1:4999"), playground.held():
            pass
        with pytest.raises(OperatorError, match="already up"):
            playground.detach([], lambda _: None)
        assert playground.stop()
        assert process.wait(20) == 0
        assert not playground.description.exists()
        assert not playground.stop()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'{"endpoint": "http://e", "state": "s", "pid": -1}', b"[" * 100_000]
)
def test_a_description_that_somebody_has_spoilt_ends_no_process(tmp_path: Path, content: bytes) -> None:
    process = holder(tmp_path)
    try:
        playground = Playground(tmp_path)
        playground.description.write_bytes(content)
        with pytest.raises(OperatorError, match=r"cloud\.json is not as the local cloud wrote it"):
            playground.stop()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_what_a_crashed_one_left_behind_is_no_running_one(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    playground = Playground(tmp_path)
    assert playground.description.exists()
    assert playground.running() is None
    assert not playground.stop()
    assert not playground.description.exists()


@pytest.mark.parametrize("credentials", [{"aws_access_key_id": "an id", "aws_secret_access_key": "a secret"}, None])
def test_what_a_crashed_one_left_behind_is_not_taken_for_the_next_one_that_is_coming_up(
    tmp_path: Path, credentials: object
) -> None:
    unrelated = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        playground = Playground(tmp_path)
        (tmp_path / ".local").mkdir()
        left = {"endpoint": "http://127.0.0.1:4999", "credentials": credentials, "state": "s", "pid": unrelated.pid}
        playground.description.write_text(json.dumps(left))
        with playground.held():
            assert playground.running() is None
            with pytest.raises(OperatorError, match="still coming up"):
                playground.stop()
        assert unrelated.poll() is None
    finally:
        unrelated.kill()
        unrelated.wait()


def test_one_that_does_not_come_up_says_why_and_where_to_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho no room left\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    said: list[str] = []
    with pytest.raises(OperatorError, match=r"did not come up; what it said is in .*cloud\.log"):
        Playground(tmp_path).detach([], said.append)
    assert said == ["no room left"]


def test_a_checkout_without_one_is_left_as_it_is(tmp_path: Path) -> None:
    assert Playground(tmp_path).running() is None
    assert not Playground(tmp_path).stop()
    assert list(tmp_path.iterdir()) == []


STARTER = """#!/bin/sh
touch "$PLACE/started.$$"
while [ ! -e "$PLACE/go" ]; do sleep 0.05; done
exit 1
"""


def test_who_comes_second_is_told_that_it_is_coming_up_and_leaves_the_first_ones_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(STARTER)
    program.chmod(0o755)
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(program))
    playground = Playground(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(playground.detach, [], lambda _: None)
        eventually(lambda: list(tmp_path.glob("started.*")), what="the first one to begin", within=20)
        (tmp_path / ".local" / "cloud.log").write_text("the first one's\n")
        with pytest.raises(OperatorError, match="already coming up: `nox -s local -- --stop` ends it once it is up"):
            Playground(tmp_path).detach([], lambda _: None)
        assert (tmp_path / ".local" / "cloud.log").read_text() == "the first one's\n"
        assert len(list(tmp_path.glob("started.*"))) == 1
        (tmp_path / "go").touch()
        with pytest.raises(OperatorError, match="did not come up"):
            first.result()


def test_one_that_loses_to_a_cloud_that_came_up_meanwhile_says_where_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playground = Playground(tmp_path)
    looks = iter([False])
    is_held = playground._is_held
    monkeypatch.setattr(playground, "_is_held", lambda: next(looks, None) is None and is_held())
    process = holder(tmp_path)
    try:
        with pytest.raises(OperatorError, match=r"already up at http://127\.0\.0\.1:4999"):
            playground.detach([], lambda _: None)
    finally:
        process.kill()
        process.wait()

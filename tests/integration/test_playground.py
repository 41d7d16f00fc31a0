"""`local` keeps the whole system up for developers and outside scripts, and leaves nothing running behind."""

import gzip
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import boto3
import pytest

from tests.integration.repositories import ROOT
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]


@pytest.fixture
def checkout(engine: Path, tmp_path: Path) -> Iterator[Path]:
    """A checkout of its own, so that the developer's `.local` stays out of it."""
    for name in ("packages", "projects", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    yield tmp_path
    operate(tmp_path, "local", "--stop")


def operate(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline_ops", *arguments],
        cwd=checkout,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=2):
            return True
    except (URLError, OSError):
        return False


def test_an_outside_script_finds_the_system_by_its_description_until_it_is_stopped(checkout: Path) -> None:
    foreign = {"AWS_PROFILE": "of-the-user", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real"}
    up = operate(checkout, "local", "--detach", **foreign)
    assert up.returncode == 0, up.stderr
    cloud = json.loads((checkout / ".local" / "cloud.json").read_text())
    everywhere = {f"{project}/{name}" for project in ("storage", "processing") for name in ("dev", "staging", "prod")}
    assert set(cloud["stacks"]) == {*everywhere, "replication/prod"}

    s3 = boto3.client("s3", endpoint_url=cloud["endpoint"], region_name=cloud["region"], **cloud["credentials"])
    s3.put_object(Bucket=cloud["stacks"]["storage/prod"]["bucket_name"], Key="assets/from outside.txt", Body=b"hello")
    dev = cloud["stacks"]["storage/dev"]["bucket_name"]
    eventually(
        lambda: "assets/from outside.txt" in [o["Key"] for o in s3.list_objects_v2(Bucket=dev).get("Contents", [])],
        what="the object in dev",
        within=90,
    )

    prod = cloud["stacks"]["storage/prod"]["bucket_name"]
    s3.put_object(Bucket=prod, Key="incoming/whole.csv", Body=b"id,timestamp,amount\na,1,2.5\nb,2,?\n")
    processed = operate(checkout, "process", "prod", "incoming/whole.csv", "--local", "--json")
    assert processed.returncode == 0, processed.stderr
    summary = json.loads(processed.stdout)
    assert (summary["read"], summary["valid"], summary["rejected"]) == (2, 1, 1)
    s3.put_object(Bucket=prod, Key="incoming/cut.csv.gz", Body=gzip.compress(b"id,timestamp\na,1\n")[:-8])
    failed = operate(checkout, "process", "prod", "incoming/cut.csv.gz", "--local")
    assert failed.returncode == 1, failed.stderr
    assert "failed: the gzip stream ends too early" in failed.stdout
    absent = operate(checkout, "process", "prod", "incoming/absent.csv", "--local")
    assert (absent.returncode, "There is no incoming/absent.csv" in absent.stderr) == (1, True)

    again = operate(checkout, "local", "--detach")
    assert again.returncode == 1
    assert "already up" in again.stderr

    outputs = operate(checkout, "outputs", "storage", "dev", "--local", "--json")
    assert json.loads(outputs.stdout)["bucket_name"] == dev
    preview = operate(checkout, "preview", "all", "prod", "--local", "--json")
    assert preview.returncode == 0, preview.stderr

    stopped = operate(checkout, "local", "--stop")
    assert stopped.returncode == 0
    assert not (checkout / ".local" / "cloud.json").exists()
    assert not answers(cloud["endpoint"])


def test_nothing_is_left_running_when_its_process_is_killed(checkout: Path) -> None:
    assert operate(checkout, "local", "--detach").returncode == 0
    cloud = json.loads((checkout / ".local" / "cloud.json").read_text())
    assert answers(cloud["endpoint"])
    os.kill(cloud["pid"], signal.SIGKILL)
    eventually(lambda: not answers(cloud["endpoint"]), what="the emulator gone", within=30)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["deploy", "storage", "nowhere", "--local"], "nowhere"),
        (["deploy", "storge", "dev", "--local"], "storage"),
        (["deploy", "replication", "dev", "--local"], "prod"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_misuse_is_told_in_a_sentence_with_exit_code_two(checkout: Path, arguments: list[str], says: str) -> None:
    answer = operate(checkout, *arguments)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert says in answer.stderr

"""The functions' real archive, from the committed lock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_common.infra.byte_code import this_python
from pipeline_common.infra.lambda_archive import AWS_SERVICES, build
from replicator_lambda.settings import NOTIFIER_HANDLER, REPLICATOR_HANDLER
from tests.infra.recording import ROOT

UNZIPPED_LIMIT = 262_144_000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

USE = """
import importlib, os, sys
sys.path.insert(0, os.getcwd())
import botocore.session
services, handlers = sys.argv[1].split(","), sys.argv[2:]
for service in services:
    botocore.session.get_session().create_client(service, region_name="us-east-1")
for handler in handlers:
    module, _, function = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function)), handler
for module in ("objects.lean_reads", "objects.masked_copy", "route_shadow", "delete_brake"):
    importlib.import_module(f"replication_core.{module}")  # as some routes do
libraries = ("botocore", "aws_lambda_powertools")
for name in (*libraries, "queue_worker", "record_files", "replication_core", "replicator_lambda"):
    assert os.path.realpath(sys.modules[name].__file__).startswith(os.getcwd()), name
    assert os.path.exists(sys.modules[name].__cached__), name
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "built"
    build("replicator_lambda", repository=ROOT, into=folder, python=this_python())
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_installation_from_nothing_gives_the_same_bytes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    build("replicator_lambda", repository=ROOT, into=tmp_path / "built", python=this_python())
    assert tree(tmp_path / "built") == tree(archive)


def test_it_holds_all_that_the_functions_load_and_loads_nothing_else(archive: Path) -> None:
    arguments = [",".join(sorted(AWS_SERVICES)), REPLICATOR_HANDLER, NOTIFIER_HANDLER]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", USE, *arguments],
        cwd=archive,
        env={"PATH": os.defpath, "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_it_is_small_and_holds_nothing_of_the_machine(archive: Path) -> None:
    files = tree(archive)
    assert sum(map(len, files.values())) < UNZIPPED_LIMIT / 10
    assert not [name for name, content in files.items() if str(ROOT).encode() in content]
    leftovers = {"RECORD", "INSTALLER", "direct_url.json", "bin"}
    assert not [name for name in files if leftovers & set(Path(name).parts)]

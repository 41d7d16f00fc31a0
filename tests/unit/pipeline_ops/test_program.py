"""A project's program, run in this process."""

import contextvars
import json
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from pipeline_ops.program import project_program


def project(folder: Path, main: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "__main__.py").write_text(main)
    return folder


def test_each_run_of_a_program_begins_anew_and_knows_its_folder(tmp_path: Path) -> None:
    counting = "import pathlib\nran = pathlib.Path(__file__).with_name('ran')\n"
    counting += "assert 'seen' not in globals()\nseen = True\n"
    counting += "ran.write_text(ran.read_text() + '.' if ran.exists() else '.')\n"
    for folder in (project(tmp_path / "one", counting), project(tmp_path / "two", counting)):
        program = project_program(folder, tmp_path)
        program()
        program()
        assert (folder / "ran").read_text() == ".."


AT_THE_SAME_TIME = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from pipeline_ops.program import project_program

folder, all_begin = Path(sys.argv[1]), Barrier(4)

def run(_):
    all_begin.wait()
    project_program(folder, folder)()

with ThreadPoolExecutor(4) as threads:
    list(threads.map(run, range(4)))
"""


def test_programs_of_several_threads_do_not_meet_in_what_the_sdk_loads_lazily(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", "import pulumi_aws as aws\nassert aws.lambda_.Function\n")
    command = [sys.executable, "-c", AT_THE_SAME_TIME, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_programs_own_sentence_is_passed_on_as_it_is(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", "import pulumi\nraise pulumi.RunError('the key is missing')\n")
    with pytest.raises(pulumi.RunError, match=r"^the key is missing$"):
        project_program(folder, tmp_path)()


def test_an_unexpected_error_is_said_with_its_kind_and_place(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", "\nraise KeyError('retention')\n")
    with pytest.raises(pulumi.RunError, match=r"^KeyError: 'retention' \(.*__main__\.py:2\)$"):
        project_program(folder, tmp_path)()


def test_a_program_reads_the_local_clouds_configuration_over_the_stacks(tmp_path: Path) -> None:
    folder = project(
        tmp_path / "p",
        "import json, pathlib, pulumi\n"
        "config = pulumi.Config('aws')\n"
        "read = [config.require(name) for name in ('accessKey', 'region')]\n"
        "read += [config.require_object('endpoints'), config.require_bool('s3UsePathStyle')]\n"
        "pathlib.Path(__file__).with_name('read').write_text(json.dumps(read))\n",
    )
    local = {"aws:accessKey": "test", "aws:endpoints": {"s3": "http://localhost"}, "aws:s3UsePathStyle": True}

    def run() -> None:
        runtime_config.set_all_config({"aws:accessKey": "committed", "aws:region": "eu-west-1"})
        project_program(folder, tmp_path, local)()

    contextvars.copy_context().run(run)
    assert json.loads((folder / "read").read_text()) == ["test", "eu-west-1", {"s3": "http://localhost"}, True]

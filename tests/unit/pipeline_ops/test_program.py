"""A project's program, run in this process."""

import contextvars
import json
import sys
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from pipeline_ops.program import project_program


def project(folder: Path, main: str, **modules: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "__main__.py").write_text(main)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_program_finds_its_own_modules_and_leaves_none_behind(tmp_path: Path) -> None:
    for number in (1, 2):
        # Two projects with a module of one name: the second must not get the first's.
        folder = project(
            tmp_path / str(number),
            "import pathlib, shared_name\npathlib.Path(__file__).with_name('ran').write_text(shared_name.VALUE)\n",
            shared_name=f"VALUE = 'of {number}'\n",
        )
        before = list(sys.path)
        project_program(folder, tmp_path)()
        assert (folder / "ran").read_text() == f"of {number}"
        assert sys.path == before
        assert "shared_name" not in sys.modules


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

"""What a command loads: help nothing of AWS's or Pulumi's, and a command that looks botocore alone."""

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest

from pipeline_ops.cli import cli

LOADED = """
import json, sys
from pipeline_ops.cli import cli
try:
    cli(sys.argv[1:], prog_name="pipeline")
finally:
    heavy = ("pulumi", "boto3", "botocore", "grpc")
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


def loaded_by(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=env
    )
    return answer.returncode, json.loads(answer.stderr.splitlines()[-1])


@pytest.mark.parametrize("arguments", [("-h",), ("deploy", "-h"), ("status", "-h"), ("verify", "--help")])
def test_help_loads_neither_pulumi_nor_boto3(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments) == (0, [])


def test_what_was_typed_wrong_is_refused_without_them_too() -> None:
    assert loaded_by("deploy", "storage", "dev", "--tpyo") == (2, [])


@pytest.mark.parametrize(
    "command",
    [
        *(("outputs", "storage", "dev"), ("process", "dev", "incoming/x"), ("status",), ("verify", "dev")),
        *(("backfill", "dev", "--yes"), ("pause", "dev"), ("resume", "dev"), ("replicate", "dev", "k")),
        *(("redrive", "--list"), ("redrive", "dev", "--list")),
    ],
)
def test_a_command_that_looks_loads_neither_pulumi_nor_boto3_and_runs_no_engine(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "pulumi").write_text("#!/bin/sh\ntouch $(dirname $0)/ran\n")
    (tmp_path / "pulumi").chmod(0o755)
    answer = loaded_by(*command, env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PULUMI_BACKEND_URL": tmp_path.as_uri()})
    assert answer == (1, ["botocore"])
    assert not (tmp_path / "ran").exists()


def every_command(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from every_command(command, *before, name)
        else:
            yield " ".join((*before, name)), command


COMMANDS = dict(every_command(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_work_takes_what_the_command_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, str, set[str]]] = []

    class Module:
        def __init__(self, module: str) -> None:
            self.module = module

        def __getattr__(self, function: str) -> Callable[..., None]:
            return lambda **given: taken.append((self.module, function, set(given)))

    command = COMMANDS[name]
    assert command.callback is not None
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", Module)
        command.callback(**{str(each.name): None for each in command.params if each.expose_value})
    ((module, function, given),) = taken
    takes = inspect.signature(getattr(importlib.import_module(module), function)).parameters
    required = {name for name, parameter in takes.items() if parameter.default is parameter.empty}
    assert required <= given <= set(takes)

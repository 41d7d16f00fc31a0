"""A project's `__main__.py` as the program that Pulumi runs in this process."""

import json
import runpy
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as runtime_config

from pipeline_common.infra.byte_code import this_python
from pipeline_common.infra.lambda_archive import engine_folder
from pipeline_common.infra.part import WHOLE, Part, part_of_program
from pipeline_common.release import UNKNOWN, Version, deploying

__all__ = ["project_program"]

# pulumi_aws loads its modules lazily, and a second thread may see one before it is loaded ("module 'pulumi_aws.lambda_'
# has no attribute 'Function'"): one program at a time. Only the declarations are made under the lock; what they wait
# for comes after it.
_running = threading.Lock()


def project_program(
    folder: Path,
    engine_works_in: Path,
    config: Mapping[str, Any] | None = None,
    *,
    local: bool = False,
    version: Version = UNKNOWN,
    part: Part = WHOLE,
) -> Callable[[], None]:
    """Return a function that runs the project's `__main__.py`; what it imports is of this process's environment.

    The program reads the stack's configuration, with `config` laid over it, and deploys the part as `version`. What it
    builds for the engine goes into the engine's folder, by whose paths the engine finds it; a `local` cloud runs
    functions by this Python.
    An exception that is no sentence of the project's own is shown by its kind, message and place, without a traceback.
    """

    def program() -> None:
        _overlay(config or {})
        python = this_python() if local else None
        with _running, engine_folder(engine_works_in, python), deploying(version), part_of_program(part):
            try:
                runpy.run_path(str(folder / "__main__.py"), run_name="__main__")
            except pulumi.RunError:
                raise
            except Exception as error:
                raise pulumi.RunError(_sentence(error)) from error

    return program


def _overlay(config: Mapping[str, Any]) -> None:
    # In the program and not in the settings' file: that would have to be written anew, by another YAML than Pulumi's.
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    runtime_config.set_all_config({**runtime_config.CONFIG.get(), **written})


def _sentence(error: Exception) -> str:
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({places[-1].filename}:{places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {error}{place}"

"""Runs actionlint on the workflows: `python -m tests.workflows`.

It is built from its Go module, once per user: its package on PyPI downloads a program when it is installed.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from local_cloud.cache import cache_root, make_once
from pipeline_ops.go_program import BuildError, GoProgram

ROOT = Path(__file__).parents[2]
MODULE = Path(__file__).parent / "actionlint"


def main() -> int:
    """Return actionlint's exit code; 0 where it can't be built, which is said."""
    try:
        program = actionlint()
    except BuildError as error:
        sys.stdout.write(f"actionlint is skipped: {error}.\n")
        return 0
    return subprocess.run([program, "-shellcheck=", "-pyflakes="], cwd=ROOT, check=False).returncode


def actionlint() -> Path:
    """Return the program; raises BuildError where it can't be built."""
    program = GoProgram(
        name="actionlint",
        title="actionlint",
        package="github.com/rhysd/actionlint/cmd/actionlint",
        module=MODULE,
        takes="half a minute",
    )
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes()).hexdigest()[:20]
    folder = cache_root() / "actionlint" / digest
    make_once(folder, (folder / "actionlint").exists, lambda: program.build(folder, print))
    return folder / "actionlint"


if __name__ == "__main__":
    sys.exit(main())

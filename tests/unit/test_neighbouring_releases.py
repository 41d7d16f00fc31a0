"""Two neighbouring releases side by side: each understands what the other writes as the other does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.former_release import ROOT, former_sources

PROGRAM = Path(__file__).with_name("neighbour.py")


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return former_sources(tmp_path_factory.mktemp("former"))


def run(repository: Path, what: str, told: Any = None) -> Any:
    """Run the program by a release's packages."""
    sources = os.pathsep.join(str(path) for path in repository.glob("packages/*/src"))
    done = subprocess.run(
        [sys.executable, PROGRAM, what, repository],
        input=json.dumps(told),
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("writer_is_former", [True, False], ids=["reads its former", "is read by its former"])
def test_a_release_and_its_neighbour_understand_each_others_messages_letters_replicas_and_contracts(
    former: Path, writer_is_former: bool
) -> None:
    writer, reader = (former, ROOT) if writer_is_former else (ROOT, former)
    documents = run(writer, "write")
    told = run(reader, "read", documents)
    assert told == run(writer, "read", documents)
    assert len(told["changes"]) == 4
    assert None not in told["letters"]
    assert (told["provenance"][:2], told["item"]) == ([True, True], True)

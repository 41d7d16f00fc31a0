"""The examples in docstrings: each does what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOWN = [
    ".".join(path.relative_to(source).with_suffix("").parts)
    for source in sorted(ROOT.glob("p*/*/src"))
    for path in sorted(source.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("module", SHOWN)
def test_each_example_does_what_its_docstring_says(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_what_others_build_on_has_examples() -> None:
    assert {"pipeline_common", "queue_worker", "record_files", "replication_core"} <= {
        module.partition(".")[0] for module in SHOWN
    }

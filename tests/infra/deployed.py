"""The stacks that the tests look at, each program run once."""

import functools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.infra.recording import Recording, record
from tests.unmasked import unmasked

__all__ = [
    "DATASETS",
    "ENVIRONMENTS",
    "EVERY_STACK",
    "STACKS",
    "TARGETS",
    "committed_processing",
    "committed_replication",
    "delivery",
    "processing",
    "recorded_replication",
    "replication",
    "stack_outputs",
    "stacks_of",
    "storage",
]

ENVIRONMENTS = ("dev", "staging", "prod")
TARGETS = ("dev", "staging")
TARGETS_SETTING = "replication:targets"


@functools.cache
def storage(environment: str) -> Recording:
    """Return what the committed configuration makes of an environment's storage."""
    return record("storage", environment)


@functools.cache
def stack_outputs() -> Mapping[str, Mapping[str, Any]]:
    """Return the outputs of all storage, by the stacks' full names."""
    return {f"organization/storage/{name}": storage(name).outputs for name in ENVIRONMENTS}


def _key(name: str, type_: str) -> dict[str, str]:
    return {"name": name, "type": type_}


DATASETS: Mapping[str, Any] = {
    "objects": {"kind": "bucket"},
    "items": {"kind": "table", "partitionKey": _key("id", "S"), "sortKey": _key("timestamp", "N")},
    "archive": {"kind": "bucket"},
    "orders": {"kind": "table", "partitionKey": _key("pk", "S"), "sortKey": _key("sk", "S")},
    "users": {"kind": "table", "partitionKey": _key("id", "S")},
    "readings": {"kind": "table", "partitionKey": _key("sensor", "B"), "sortKey": _key("at", "N")},
}
"""The datasets there are by default, and more: a bucket, and a table of each form of key."""


def stacks_of(**datasets: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the outputs of all storage, where it has `DATASETS` unless an environment is given others."""
    declared = {name: {"storage:datasets": datasets.get(name, DATASETS)} for name in ENVIRONMENTS}
    return {f"organization/storage/{name}": record("storage", name, declared[name]).outputs for name in ENVIRONMENTS}


@contextmanager
def _a_folder_to_build_in() -> Iterator[None]:
    """Be where the engine would work, and the program builds its archive, for the block."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def processing(
    environment: str,
    config: Mapping[str, Any] | None = None,
    *,
    stacks: Mapping[str, Mapping[str, Any]] | None = None,
    preview: bool = False,
) -> Recording:
    """Return what an environment's processing makes of the committed configuration, changed by `config`."""
    with _a_folder_to_build_in():
        return record(
            "processing", environment, config, stacks=stack_outputs() if stacks is None else stacks, preview=preview
        )


@functools.cache
def committed_processing(environment: str) -> Recording:
    """Return what the committed configuration makes of an environment's processing."""
    return processing(environment)


def replication(
    config: Mapping[str, Any] | None = None,
    *,
    stack: str = "prod",
    stacks: Mapping[str, Mapping[str, Any]] | None = None,
    preview: bool = False,
) -> Recording:
    """Return what the replication's program makes of the committed configuration, changed by `config`.

    A target that says nothing of masking copies as it is.
    """
    changed = dict(config or {})
    if isinstance(targets := changed.get(TARGETS_SETTING), list):
        changed[TARGETS_SETTING] = unmasked(targets)
    with _a_folder_to_build_in():
        return record(
            "replication", stack, changed, stacks=stack_outputs() if stacks is None else stacks, preview=preview
        )


@functools.cache
def committed_replication() -> Recording:
    """Return what the committed configuration makes of the replication."""
    return replication()


@functools.cache
def recorded_replication() -> Recording:
    """Return what the committed configuration makes of the replication where CloudTrail tells of changes."""
    return replication({"replication:capture": "cloudtrail"})


@functools.cache
def delivery() -> Recording:
    """Return what the committed configuration makes of the delivery."""
    return record("delivery", "shared")


STACKS: Mapping[str, Any] = {
    **{f"storage/{name}": functools.partial(storage, name) for name in ENVIRONMENTS},
    **{f"processing/{name}": functools.partial(committed_processing, name) for name in ENVIRONMENTS},
    "replication/prod": committed_replication,
    "replication/prod by cloudtrail": recorded_replication,
}
"""Every environment's stack, as committed, and in another form where that makes other resources."""

EVERY_STACK: Mapping[str, Any] = {**STACKS, "delivery/shared": delivery}
"""Those, and the account's."""

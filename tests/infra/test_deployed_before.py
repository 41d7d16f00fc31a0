"""What a stack of release 1 already has, as the present programs would find it: nothing is replaced unawares."""

import json
from collections.abc import Callable, Mapping

import pytest

from tests.infra.deployed import STACKS
from tests.infra.recording import ROOT, Recording

RELEASE = ROOT / "tests" / "recorded" / "release_1" / "resources"

DELETED: Mapping[str, set[str]] = {
    "processing": {"dead-letters"},
    "replication/prod": {"dead-letters", "objects", "objects-rule", "objects-undelivered", "objects-lost"},
    "replication/prod by cloudtrail": {"dead-letters", "calls", "calls-rule", "calls-undelivered", "calls-lost"},
}
"""What is deleted, by stack or project: storage has the alarm on dead letters now, and each route a rule of its own."""


def recorded(stack: str) -> list[str]:
    project, _, rest = stack.partition("/")
    environment, _, capture = rest.partition(" by ")
    captured = f"_{capture or 'native'}" if project == "replication" else ""
    urns: list[str] = json.loads((RELEASE / f"{project}_{environment}{captured}.json").read_text())
    return urns


@pytest.mark.parametrize("stack", STACKS)
def test_a_deployed_stacks_resources_are_found_by_their_urns_or_by_aliases_and_so_are_not_replaced(stack: str) -> None:
    record: Callable[[], Recording] = STACKS[stack]
    found = {urn for one in record().registrations for urn in (one.urn, *one.former_urns)}
    gone = {urn.rpartition("::")[2] for urn in recorded(stack) if urn not in found}
    assert gone == DELETED.get(stack, DELETED.get(stack.partition("/")[0], set()))

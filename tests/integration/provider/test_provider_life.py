"""Every type the provider implements, through its whole life by the real engine.

Each fixture is one step of that life for all types at once, since a run of the engine takes seconds; each test says
one thing of it. What the emulator cannot prove: that AWS takes the same requests, in the same order, as fast.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.probes import lacks
from tests.integration.provider.conftest import StackFactory
from tests.integration.provider.every_type import (
    FIRST,
    NOT_REMOVABLE,
    NOT_UPDATABLE,
    REPLACED,
    TYPES,
    UPDATED,
    Edition,
    every_type,
)
from tests.integration.provider.outside import change_everything, delete_everything, everything
from tests.integration.provider.stacks import Operations, Program, ProviderStack, Recorded, recorded

pytestmark = pytest.mark.engine

EVERY = sorted(TYPES)


def named(names: Iterable[str], **needed: str) -> list[Any]:
    """The names as parameters; those that need what not every cloud has are marked."""
    needed = {"trail": "cloudtrail", **needed}
    return [pytest.param(each, marks=pytest.mark.needs(needed[each])) if each in needed else each for each in names]


@dataclass(frozen=True)
class Life:
    """What the engine did at each step, and what it had recorded after some of them."""

    foreseen: Operations
    created: Operations
    again: Operations
    update_foreseen: Operations
    updated: Operations
    after_update: Operations
    recorded_of_update: Recorded
    behind: Operations
    recorded_of_refresh: Recorded
    put_back: Operations
    drifted: Operations
    repaired: Operations
    replaced: Operations
    after_replacement: Operations
    gone: Operations
    restored: Operations
    destroyed: Operations
    left: dict[str, list[str]]


@pytest.fixture(scope="module")
def life(make_stack: StackFactory, endpoint: str | None, tmp_path_factory: pytest.TempPathFactory) -> Life:
    code = tmp_path_factory.mktemp("code")
    with make_stack("life") as stack:
        return _live(stack, code, trails=endpoint is None or not lacks(endpoint, "cloudtrail"))


def _live(stack: ProviderStack, code: Path, *, trails: bool) -> Life:
    steps: dict[str, Any] = {}
    before = everything(stack.cloud, trails=trails)

    def program(edition: Edition) -> Program:
        return partial(every_type, edition, code, trails=trails)

    def up(edition: Edition, team: str = "data") -> Operations:
        return stack.up(program(edition), default_tags={"tags": {"Team": team}})

    _write_code(code, "first")
    steps["foreseen"] = stack.preview(program(FIRST), default_tags={"tags": {"Team": "data"}})
    steps["created"], steps["again"] = up(FIRST), up(FIRST)
    recorded_first = stack.export()

    _write_code(code, "better")
    steps["update_foreseen"] = stack.preview(program(UPDATED), default_tags={"tags": {"Team": "ops"}})
    steps["updated"], steps["after_update"] = up(UPDATED, "ops"), up(UPDATED, "ops")
    steps["recorded_of_update"] = recorded(stack.export())

    # The engine is made to believe that nothing was updated: a refresh must find everything out.
    stack.restore(recorded_first)
    steps["behind"] = stack.refresh()
    steps["recorded_of_refresh"] = recorded(stack.export())
    _write_code(code, "first")
    steps["put_back"] = up(FIRST)

    change_everything(stack.cloud, steps["created"].outputs)
    steps["drifted"], steps["repaired"] = stack.refresh(), up(FIRST)
    steps["replaced"], steps["after_replacement"] = up(REPLACED), up(REPLACED)
    delete_everything(stack.cloud, steps["replaced"].outputs)
    steps["gone"], steps["restored"] = stack.refresh(), up(REPLACED)
    delete_everything(stack.cloud, steps["restored"].outputs)
    steps["destroyed"] = stack.destroy()
    after = everything(stack.cloud, trails=trails)
    left = {kind: sorted(set(names) - set(before[kind])) for kind, names in after.items()}
    return Life(**steps, left={kind: names for kind, names in left.items() if names})


def _write_code(folder: Path, says: str) -> None:
    (folder / "code.py").write_text(f"def handle(event, context): return {says!r}\n")


@pytest.mark.parametrize("name", named(EVERY))
def test_a_preview_foresees_the_creation(life: Life, name: str) -> None:
    assert life.foreseen.by_name[name] == "create"


@pytest.mark.parametrize("name", named(EVERY))
def test_a_first_up_creates(life: Life, name: str) -> None:
    assert life.created.by_name[name] == "create"


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life.again.changed() == {}
    assert life.after_update.changed() == {}
    assert life.after_replacement.changed() == {}


@pytest.mark.parametrize("name", named(sorted(set(EVERY) - NOT_UPDATABLE)))
def test_a_changed_program_updates_in_place_as_foreseen(life: Life, name: str) -> None:
    assert life.updated.by_name[name] == "update"
    assert life.update_foreseen.by_name[name] == "update"


@pytest.mark.parametrize("name", named(EVERY, table="table class"))
def test_a_refresh_finds_every_property_that_is_not_what_was_recorded(life: Life, name: str) -> None:
    expected = dict(life.recorded_of_update[name])
    if name == "function":
        # What code AWS has now can only be told by its hash: that it is not ours is recorded as no code.
        del expected["code"]
    assert life.recorded_of_refresh[name] == expected


@pytest.mark.parametrize("name", named(sorted(set(EVERY) - NOT_UPDATABLE)))
def test_an_up_after_the_refresh_puts_everything_back(life: Life, name: str) -> None:
    assert life.behind.by_name[name] == "update"
    assert life.put_back.by_name[name] == "update"


@pytest.mark.parametrize("name", named(sorted(set(EVERY) - NOT_UPDATABLE)))
def test_what_was_changed_outside_is_found_and_repaired(life: Life, name: str) -> None:
    assert life.drifted.by_name[name] == "update"
    assert life.repaired.by_name[name] == "update"


@pytest.mark.parametrize("name", sorted(NOT_UPDATABLE - NOT_REMOVABLE))
def test_what_was_removed_outside_is_found_and_made_again(life: Life, name: str) -> None:
    assert life.drifted.by_name[name] == "delete"
    assert life.repaired.by_name[name] == "create"


@pytest.mark.parametrize("name", named(EVERY))
def test_what_cannot_be_changed_in_place_is_replaced(life: Life, name: str) -> None:
    assert "replac" in life.replaced.by_name[name]


@pytest.mark.parametrize("name", named(EVERY))
def test_a_refresh_finds_what_is_gone_and_an_up_makes_it_again(life: Life, name: str) -> None:
    assert life.gone.by_name[name] == "delete"
    assert life.restored.by_name[name] == "create"


@pytest.mark.parametrize("name", named(EVERY))
def test_a_destroy_is_content_with_what_is_gone_already(life: Life, name: str) -> None:
    assert life.destroyed.by_name[name] == "delete"


def test_a_destroy_leaves_nothing_behind(life: Life) -> None:
    assert life.left == {}


def test_the_provider_says_what_it_is(life: Life) -> None:
    assert "local stand-in for the aws provider" in life.created.said
    assert "not AWS" in life.created.said


def test_the_provider_ends_without_a_trace(life: Life) -> None:
    runs = [step for step in vars(life).values() if isinstance(step, Operations)]
    assert [run.said for run in runs if "Traceback" in run.said] == []


def test_default_tags_are_on_every_tagged_resource(life: Life) -> None:
    tagged = {name: inputs["tags"] for name, inputs in life.recorded_of_update.items() if "tags" in inputs}
    assert len(tagged) > 10
    assert all(tags["Team"] == "ops" for tags in tagged.values())

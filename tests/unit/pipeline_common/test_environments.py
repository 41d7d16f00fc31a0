"""Environments' names, and those of their instances."""

import pytest

from pipeline_common.environments import Environment


@pytest.mark.parametrize("stack", ["dev", "qa", "e2e", "abcdefghijkl", "dev-pr5400", "prod-1", "dev-abcdefghijkl"])
def test_a_stacks_name_is_read_in_one_way(stack: str) -> None:
    assert str(Environment.parse(stack)) == stack


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        ("", "'' is no environment's name: write up to 12"),
        ("Dev", "'Dev' is no environment's name"),
        ("1st", "a letter first"),
        ("dév", "no environment's name"),
        ("dev\n", "no environment's name"),
        ("../dev", "no environment's name"),
        ("abcdefghijklm", "up to 12"),
        ("dev-", "'dev-' ends before its suffix"),
        ("dev-pr-1", "'pr-1' is no suffix of an instance"),
        ("dev-PR1", "'PR1' is no suffix"),
        ("dev-abcdefghijklm", "up to 12"),
    ],
)
def test_what_can_be_no_stacks_name_is_refused_in_a_sentence(stack: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Environment.parse(stack)


def test_a_target_is_of_the_same_instance_as_its_source() -> None:
    assert Environment("prod", "pr1").beside("dev") == Environment("dev", "pr1")
    assert Environment("prod").beside("dev") == Environment("dev")

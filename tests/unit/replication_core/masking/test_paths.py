"""Paths, and the trie that finds the rule of each value."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replication_core.masking.paths import Node, Path, PathError, Placed, Step, parse_path, path_text, trie

NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.one_of(NAMES, st.just(Step.ANY), st.just(Step.ELEMENTS))
PATHS = st.tuples(st.one_of(NAMES, st.just(Step.ANY)), st.lists(STEPS, max_size=3)).map(
    lambda made: (made[0], *made[1])
)
VALUES = st.lists(st.one_of(NAMES, st.just("other"), st.just(Step.ELEMENTS)), min_size=1, max_size=4).map(tuple)
"""The ways to values: what steps they are reached by."""


def found(node: Node[str], value: tuple[str | Step, ...]) -> str | None:
    at: Node[str] | None = node
    for step in value:
        if at is None:
            return None
        at = at.elements if step is Step.ELEMENTS else at.names.get(str(step), at.other)
    return at.rule if at else None


def leads_to(path: Path, value: tuple[str | Step, ...]) -> bool:
    return all(
        step == way or (step is Step.ANY and way is not Step.ELEMENTS) for step, way in zip(path, value, strict=False)
    )


def searched(rules: dict[Path, str], value: tuple[str | Step, ...]) -> str | None:
    """The rule by definition: among all paths that lead there, or cover it, the one that compares first."""
    leading = [
        path
        for path, rule in rules.items()
        if leads_to(path, value) and (len(path) == len(value) or (len(path) < len(value) and rule == "drop"))
    ]
    if not leading:
        return None
    return rules[min(leading, key=lambda path: [*(step is Step.ANY for step in path), 2])]


@settings(deadline=None)
@given(st.text(min_size=1), st.lists(st.one_of(st.text(min_size=1), st.sampled_from(Step)), max_size=5))
def test_a_path_is_read_back_as_it_was_written(first: str, others: list[str | Step]) -> None:
    assert parse_path(path_text((first, *others))) == (first, *others)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "[]",
        "{}",
        "a.[]",
        "a*",
        "a'b'",
        "'a",
        "a[0]",
        "a]",
        " a",
        "a .b",
        ".".join("a" * 40),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


@settings(deadline=None)
@given(st.dictionaries(PATHS, st.sampled_from(["keep", "drop"]), max_size=8), VALUES)
@example({("a", "b"): "drop", (Step.ANY, Step.ANY, "c"): "keep"}, ("a", "b", "c"))
@example({("a", Step.ANY): "drop", ("a", "b", "c"): "keep"}, ("a", "b", "c"))
def test_the_trie_finds_what_a_search_for_the_most_specific_path_finds(
    rules: dict[Path, str], value: tuple[str | Step, ...]
) -> None:
    made = trie([Placed(path, rule) for path, rule in rules.items()], lambda rule: rule == "drop")
    assert found(made, value) == searched(rules, value)


def test_names_that_are_data_have_a_rule_and_those_that_are_said_keep_theirs() -> None:
    made = trie([Placed(parse_path("scores{}"), "keep", "pseudonym"), Placed(parse_path("scores.total"), "last")])
    scores = made.names["scores"]
    assert (scores.renames, scores.names["total"].rule, scores.other and scores.other.rule) == (
        *("pseudonym", "last"),
        "keep",
    )


@pytest.mark.parametrize(
    "placed",
    [
        [Placed(parse_path("a.b"), "keep"), Placed(parse_path("a.'b'"), "drop")],
        [Placed(parse_path("a.*"), "keep"), Placed(parse_path("a{}"), "keep", "keep")],
        [Placed(parse_path("a{}.b"), "keep")],
    ],
)
def test_paths_that_contradict_each_other_are_refused(placed: list[Placed[str]]) -> None:
    with pytest.raises(PathError):
        trie(placed)


def test_paths_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    paths = [".".join("a" if place == each else "*" for place in range(30)) for each in range(30)]
    with pytest.raises(PathError, match="fewer"):
        trie([Placed(parse_path(path), "keep") for path in paths])

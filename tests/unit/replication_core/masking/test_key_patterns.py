"""Patterns of objects' keys: which rule a key has, and what its placeholders stand for."""

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication_core.masking.key_patterns import KeyPattern, KeyPatternError, KeyPatterns

SEGMENTS = st.sampled_from(["a", "b", "", "*", "a*", "*a", "a*b", "*a*", "*-*", "a-*", "*b-*"])
PATTERNS = st.tuples(st.lists(SEGMENTS, min_size=1, max_size=3), st.sampled_from([[], ["**"]])).map(
    lambda made: "/".join([*made[0], *made[1]])
)
KEYS = st.text("ab-/", min_size=1, max_size=8)


def by_definition(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]+"), re.DOTALL)


def kinds(pattern: str) -> list[int]:
    return [3 if part == "**" else 2 if part == "*" else 1 if "*" in part else 0 for part in pattern.split("/")]


def usable(pattern: str) -> bool:
    return bool(pattern) and not pattern.startswith("/")


@settings(deadline=None)
@given(PATTERNS.filter(usable), KEYS)
def test_a_pattern_has_the_keys_that_it_says_and_is_filled_with_what_was_found(pattern: str, key: str) -> None:
    match = KeyPatterns([KeyPattern(pattern)]).match(key)
    assert (match is not None) == (by_definition(pattern).fullmatch(key) is not None)
    if match:
        assert KeyPattern(pattern).fill(match.values) == key


@settings(deadline=None)
@given(st.lists(PATTERNS.filter(usable), min_size=1, max_size=5, unique=True), KEYS)
def test_every_key_has_the_most_specific_of_its_patterns_or_the_patterns_are_refused(
    patterns: list[str], key: str
) -> None:
    made = KeyPatterns([KeyPattern(pattern) for pattern in patterns])
    if list(made.ties()):
        return
    of_key = [pattern for pattern in patterns if by_definition(pattern).fullmatch(key)]
    match = made.match(key)
    assert (match is not None) == bool(of_key)
    if match:
        assert patterns[match.place] in of_key
        assert kinds(patterns[match.place]) == min(map(kinds, of_key))


SHORT_KEYS = ["".join(letters) for size in range(1, 6) for letters in itertools.product("ab-/", repeat=size)]


@settings(deadline=None)
@given(PATTERNS.filter(usable), PATTERNS.filter(usable))
def test_two_patterns_that_a_key_has_are_of_different_specificity_or_tie(one: str, two: str) -> None:
    first, second = KeyPattern(one), KeyPattern(two)
    assert first.ties_with(second) == second.ties_with(first)
    both = by_definition(one), by_definition(two)
    if one != two and any(all(each.fullmatch(key) for each in both) for key in SHORT_KEYS):
        assert first.ties_with(second) or first.rank != second.rank


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("in/secret-1.csv", "in/secret-{a}.csv"),
        ("in/1.csv", "in/{a}.csv"),
        ("in/1", "in/{a}"),
        ("in/plain.csv", "in/plain.csv"),
        ("in/secret-1.csv/more", "in/**"),
    ],
)
def test_of_the_patterns_of_a_key_the_narrowest_has_it_in_whichever_order_they_stand(key: str, pattern: str) -> None:
    patterns = ["in/**", "in/{a}", "in/{a}.csv", "in/secret-{a}.csv", "in/plain.csv"]
    for order in (patterns, patterns[::-1]):
        match = KeyPatterns([KeyPattern(each) for each in order]).match(key)
        assert match is not None
        assert order[match.place] == pattern


@pytest.mark.parametrize(
    ("patterns", "tie"),
    [
        (("in/{a}.csv", "in/{b}"), False),
        (("in/secret-{a}.csv", "in/{a}.csv"), False),
        (("in/{a}.csv", "in/{a}.json"), False),
        (("in/x{a}", "in/{a}y"), True),
        (("in/{a}", "in/*"), True),
        (("in/**", "in/{a}/{b}"), False),
        (("in/{a}/**", "in/*/**"), True),
        (("x/{a}", "{a}/x"), False),
    ],
)
def test_patterns_that_are_equally_specific_tie_where_a_key_can_have_both(patterns: tuple[str, str], tie: bool) -> None:
    assert bool(list(KeyPatterns([KeyPattern(pattern) for pattern in patterns]).ties())) is tie


@pytest.mark.parametrize(
    "text", ["", "/a", "a/**/b", "a**", "{a}{b}", "{a}*", "{a}/{a}", "a{", "a}", "{a b}", "{}", "a\\b", "a\0b"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(KeyPatternError):
        KeyPattern(text)


def test_a_key_may_have_the_characters_that_patterns_are_written_with() -> None:
    match = KeyPatterns([KeyPattern(r"a/\{x\}-\*-\\-{name}")]).match("a/{x}-*-\\-b\nc")
    assert match is not None
    assert match.values == ("b\nc",)


def test_the_longest_key_is_matched_in_a_time_that_does_not_grow_with_its_wildcards() -> None:
    patterns = KeyPatterns([KeyPattern(f"{{{'}-{'.join('abcdefgh')}}}.csv"), KeyPattern("{file}.json")])
    began = time.perf_counter()
    assert patterns.match("-" * 1024) is None
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("pattern", "may"),
    [
        ("a{x}/**", True),
        ("**", True),
        ("{x}/y", True),
        ("abc/", True),
        ("abd/x", False),
        ("abc", False),
        ("a/{x}", False),
    ],
)
def test_a_pattern_tells_whether_its_keys_may_begin_with_a_prefix(pattern: str, may: bool) -> None:
    assert KeyPattern(pattern).may_begin_with("abc/") is may

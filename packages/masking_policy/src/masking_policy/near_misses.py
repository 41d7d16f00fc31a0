"""Names that are almost another one: the same but for capitals, or but for one letter."""

from collections.abc import Collection, Iterator

__all__ = ["near_misses"]

_LEAST_LETTERS = 5
"""Shorter names are often alike by chance."""


def near_misses(names: Collection[str], others: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each name, and one of the others that it may have been meant to be.

    A plural's s and digits are no mistake: `line1` is not `line2`.

    >>> list(near_misses(["Email", "adress", "line1", "tags"], ["email", "address", "line2", "tag"]))
    [('Email', 'email'), ('adress', 'address')]
    """
    by_form: dict[str, list[str]] = {}
    for other in others:
        for form in _forms(other):
            by_form.setdefault(form, []).append(other)
    for name in names:
        for other in dict.fromkeys(other for form in _forms(name) for other in by_form.get(form, ())):
            if other != name and _is_near(name, other):
                yield name, other
                break


def _forms(name: str) -> list[str]:
    """Return texts of which two names that differ in one letter have one in common."""
    folded = name.casefold()
    return [folded, *(folded[:place] + folded[place + 1 :] for place in range(len(folded)))]


def _is_near(name: str, other: str) -> bool:
    one, two = name.casefold(), other.casefold()
    if one == two:
        return True
    start = next((place for place, both in enumerate(zip(one, two, strict=False)) if both[0] != both[1]), None)
    start = min(len(one), len(two)) if start is None else start
    rests = {one[start:], two[start + 1 :]}, {one[start + 1 :], two[start:]}, {one[start + 1 :], two[start + 1 :]}
    differing = {one[start : start + 1], two[start : start + 1]}
    return (
        min(len(one), len(two)) >= _LEAST_LETTERS
        and any(len(rest) == 1 for rest in rests)
        and not any(letter.isdigit() for letter in differing)
        and {f"{one}s", f"{two}s"}.isdisjoint({one, two})
    )

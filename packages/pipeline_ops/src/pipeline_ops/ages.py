"""Lengths of time as an operator types and reads them."""

import re
from datetime import timedelta

from pipeline_ops.errors import MISUSED, OperatorError

__all__ = ["age_of", "duration", "written"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age_of(text: str, option: str) -> timedelta:
    """Return a length of time such as 90s, 30m, 12h or 3d; raises OperatorError, as misuse, for what is none."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise OperatorError(f"{option} {text} is no length of time: write 90s, 30m, 12h or 3d.", MISUSED)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def written(age: timedelta) -> str:
    """Return the age in its largest unit, rounded down.

    >>> written(timedelta(hours=73))
    '3d'
    """
    unit, seconds = next((each for each in reversed(_UNITS.items()) if age.total_seconds() >= each[1]), ("s", 1))
    return f"{max(0, int(age.total_seconds())) // seconds}{unit}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"

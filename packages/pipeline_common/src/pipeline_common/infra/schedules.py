"""Schedules as EventBridge writes them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import re
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["Schedule", "fault"]

_RATE = re.compile(r"rate\((1 (minute|hour|day)|(?!0|1 )[0-9]{1,6} (minutes|hours|days))\)")
_FIELD = r"[0-9A-Z,*/?L#W-]+"
_CRON = re.compile(rf"cron\({_FIELD}( {_FIELD}){{5}}\)")
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_LONGEST = 256


def fault(expression: str) -> str | None:
    """Say what EventBridge would refuse of the expression, as far as its form tells; None when nothing."""
    if len(expression) > _LONGEST:
        return f"it has {len(expression)} characters, and EventBridge takes at most {_LONGEST}"
    if expression.startswith("rate("):
        if _RATE.fullmatch(expression):
            return None
        return "a rate is a whole number above 0 and its unit, such as rate(1 hour) or rate(15 minutes)"
    if not _CRON.fullmatch(expression):
        return "it is neither a rate, such as rate(15 minutes), nor six fields in cron, such as cron(0 6 * * ? *)"
    fields = expression.removeprefix("cron(").removesuffix(")").split(" ")
    if (fields[_DAY_OF_MONTH] == "?") == (fields[_DAY_OF_WEEK] == "?"):
        return "of the day of the month and the day of the week (third and fifth field) exactly one has to be ?"
    return None


def _is_a_schedule(expression: str) -> str:
    if found := fault(expression):
        raise ValueError(found)
    return expression


Schedule = Annotated[str, AfterValidator(_is_a_schedule)]
"""A field of a configuration that is a schedule."""

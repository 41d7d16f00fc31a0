"""Fields of the messages that others write: each is of its form, or the message is poison. Pure."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["PoisonError", "json_object", "section", "text"]


class PoisonError(ValueError):
    """A message that asks for nothing that can be done, however often it is tried."""

    kind = "PoisonNotice"
    """The reason in the message's envelope."""


def json_object(body: str) -> dict[str, Any]:
    """Return what a message says; raises PoisonError for what is no JSON object."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PoisonError("the message is not JSON, or nested too deep") from error
    if not isinstance(message, dict):
        raise PoisonError("the message is not a JSON object")
    return message


def section(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within a message; raises PoisonError where there is none."""
    if isinstance(value := message.get(name), dict):
        return value
    raise PoisonError(f"the notice has no {name!r}")


def text(message: Mapping[str, Any], name: str) -> str:
    """Return a text of a message; raises PoisonError where there is none."""
    if isinstance(value := message.get(name), str):
        return value
    raise PoisonError(f"the notice has no text as {name!r}")

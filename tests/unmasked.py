"""Routes that copy as they are: what the tests of everything but masking replicate by."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["UNMASKED", "unmask", "unmasked"]

UNMASKED: Mapping[str, str] = {"masking": "none", "reason": "what the tests replicate is made up"}
"""A target's settings."""


def unmasked(targets: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the targets, of which those copy as they are that are not told to do anything else."""
    return [{**({} if "masking" in target else UNMASKED), **target} for target in targets]


def unmask(settings: Path) -> None:
    """Have every target of a committed `Pulumi.<env>.yaml` copy as it is, line by line: what a test inserts fits in."""
    lines = "".join(f"\n\\1  {name}: {value}" for name, value in UNMASKED.items())
    masked = re.sub(r"(?m)^ +masking: .*\n", "", settings.read_text())
    settings.write_text(re.sub(r"(?m)^( *)- environment: \w+$", rf"\g<0>{lines}", masked))

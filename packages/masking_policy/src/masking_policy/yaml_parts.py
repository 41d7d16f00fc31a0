"""YAML with its places: what a file says and where, with nothing executed, expanded or guessed.

A mapping's names are the texts that stand there (`no` is a name like any other), and one that stands twice is refused.
Aliases are followed, as far as a bound of what they make together.
"""

import difflib
from collections.abc import Collection
from typing import Any

import yaml

from masking_policy.faults import Faults
from replication_core.numbers import NumberError, number_text

__all__ = ["YamlPart", "read_yaml", "suggestion"]

_MOST_BYTES = 256 * 1024
_MOST_PARTS = 20_000
_MOST_DEPTH = 40

_PREFIX = "tag:yaml.org,2002:"
_KINDS = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}


class YamlPart:
    """A part of a file. What is asked of it and not there is noted as a fault, and answered by what is empty."""

    def __init__(self, node: yaml.Node, place: str, faults: Faults) -> None:
        self._node = node
        self._faults = faults
        self.place = place
        self.line = int(node.start_mark.line) + 1

    def fault(self, what: str, fix: str) -> None:
        """Note what is wrong with it."""
        self._faults.add(self.line, self.place, what, fix)

    @property
    def is_mapping(self) -> bool:
        """Whether it has names."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it has elements."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_null(self) -> bool:
        """Whether nothing stands there."""
        return self._tag == "null"

    @property
    def _tag(self) -> str:
        return str(self._node.tag).removeprefix(_PREFIX)

    def entries(self) -> dict[str, "YamlPart"]:
        """Return what stands below its names."""
        found: dict[str, YamlPart] = {}
        if not isinstance(self._node, yaml.MappingNode):
            self.fault(f"is {self._kind}", "write a mapping")
            return found
        for key, value in self._node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_PREFIX}merge":
                self.fault("has a name that is none, or <<", "write out what is meant, name by name")
                continue
            name = key.value if key.value.isprintable() else ascii(key.value)
            part = YamlPart(value, f"{self.place}.{name}".removeprefix("."), self._faults)
            if key.value in found:
                part.line = int(key.start_mark.line) + 1
                part.fault(f"stands there twice, first in line {found[key.value].line}", "keep one of them")
            else:
                found[key.value] = part
        return found

    def fields(self, known: Collection[str], required: Collection[str] = ()) -> dict[str, "YamlPart"]:
        """Return what stands below the names that it may have; notes what it has besides, and what it lacks."""
        entries = self.entries()
        for name in [name for name in entries if name not in known]:
            entries.pop(name).fault("is not read here", suggestion(name, known))
        if self.is_mapping:
            for name in required:
                if name not in entries:
                    self.fault(f"has no {name}", f"add `{name}:`")
        return entries

    def parts(self) -> list["YamlPart"]:
        """Return its elements."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.fault(f"is {self._kind}", "write a list")
            return []
        return [YamlPart(each, f"{self.place}[{place}]", self._faults) for place, each in enumerate(self._node.value)]

    def text(self) -> str:
        """Return a text, as it is written."""
        if not isinstance(self._node, yaml.ScalarNode) or self.is_null:
            self.fault(f"is {'empty' if self.is_null else self._kind}", "write a text")
            return ""
        return str(self._node.value)

    def reason(self) -> str:
        """Return why something may be so."""
        if not (text := self.text()).strip():
            self.fault("is no reason", "say why it may be so")
        return text

    def one_of(self, words: Collection[str], default: str = "") -> str:
        """Return the one of these words that it is; notes another one, and returns the default."""
        word = self.text()
        if word and word not in words:
            self.fault(f"is {word!r}", f"write one of {', '.join(words)}")
        return word if word in words else default

    def whole(self, least: int, most: int) -> int:
        """Return a whole number."""
        value = self.plain()
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault("is no number that can be used here", f"write a whole number from {least:,} to {most:,}")
        return least

    def truth(self) -> bool:
        """Return true or false."""
        if (value := self.plain()) not in (True, False) or not isinstance(value, bool):
            self.fault("is neither true nor false", "write one of them")
        return value is True

    def plain(self) -> Any:
        """Return a text, a whole number, true or false, another number as its text, or a list of such."""
        if self.is_list:
            return [part.plain() for part in self.parts()]
        match self.constant():
            case {"N": str(number)} if number.lstrip("-").isdigit():
                return int(number)
            case {**constant}:
                return next(iter(constant.values()), None)

    def constant(self) -> dict[str, Any]:
        """Return a text, a number, or true or false as DynamoDB's JSON has it."""
        written = self.text()
        if self._tag == "bool":
            if written in {"true", "false"}:
                return {"BOOL": written == "true"}
            self.fault(f"is {written}, which YAML takes for true or false", f'write true or false, or "{written}"')
        if self._tag in {"int", "float"}:
            try:
                return {"N": number_text(written)}
            except NumberError as error:
                self.fault(f"is {written}, which {error}", "write its digits, or a text in quotes")
        return {"S": written}

    @property
    def _kind(self) -> str:
        return "empty" if self.is_null else _KINDS.get(type(self._node), "something else")


def suggestion(name: str, known: Collection[str]) -> str:
    """Return what to write instead of a name that is none."""
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean {close[0]}?"
    return f"remove it, or write one of {', '.join(known)}" if known else "remove it"


def read_yaml(text: str | bytes, faults: Faults) -> YamlPart | None:
    """Return a file's one document; None, with the fault noted, where it is none or more than may be read."""
    if len(text if isinstance(text, bytes) else text.encode(errors="replace")) > _MOST_BYTES:
        faults.add(0, "", f"has more than {_MOST_BYTES // 1024} KiB", "write fewer rules, such as by .* and **")
        return None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            faults.add(0, "", "is empty", "write `version: 1` and what follows")
            return None
        _require_bounded(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = int(mark.line) + 1 if mark else 0
        faults.add(line, "", f"is not YAML: {error.problem or error.context}", "mend what stands there")
    except (yaml.YAMLError, UnicodeError):
        faults.add(0, "", "is not YAML, or not in UTF-8", "write it as text in UTF-8 without control characters")
    except (RecursionError, _TooMuchError):
        faults.add(0, "", "is nested too deep, or too much by its aliases", "write it out with fewer levels")
    else:
        return YamlPart(node, "", faults)
    return None


class _TooMuchError(Exception):
    """Aliases that make more than a policy can need, or that contain themselves."""


def _require_bounded(node: yaml.Node) -> None:
    """Raise _TooMuchError where what the aliases stand for is too much, and ConstructorError for a tag of one's own."""
    ahead, seen = [(node, 1)], 0
    while ahead:
        node, depth = ahead.pop()
        seen += 1
        if seen > _MOST_PARTS or depth > _MOST_DEPTH:
            raise _TooMuchError
        if not str(node.tag).startswith(_PREFIX):
            raise yaml.constructor.ConstructorError(None, None, f"a tag {node.tag}", node.start_mark)
        children: Collection[Any] = node.value if not isinstance(node, yaml.ScalarNode) else ()
        pairs = isinstance(node, yaml.MappingNode)
        ahead += [(each, depth + 1) for child in children for each in (child if pairs else (child,))]

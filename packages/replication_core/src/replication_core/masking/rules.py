"""The kinds of rules: which types each takes, how it is set, and what it makes of a value. Pure.

A rule keeps the type of what it takes. Null stays null, and the members of a set are masked one by one.
"""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any

from replication_core.masking.detectors import DETECTORS, detected, redacted
from replication_core.masking.fakes import TABLES, fake
from replication_core.masking.pseudonyms import Pseudonyms, token, whole_number
from replication_core.masking.refusals import Unclassified
from replication_core.numbers import NumberError, number_text

__all__ = ["EMAIL_DOMAIN", "RULES", "SETS", "UNITS", "Masker", "RuleKind", "Settings", "exact_number"]

EMAIL_DOMAIN = "masked.invalid"
"""https://www.rfc-editor.org/rfc/rfc2606#section-2: nobody's, for ever"""

SETS: Mapping[str, str] = {"SS": "S", "NS": "N", "BS": "B"}
"""DynamoDB's sets, and the type of their members."""

Settings = Mapping[str, Any]
"""What a rule's kind is set by, as the compiled policy has it: a constant is as in DynamoDB's JSON, a size a text."""

Masker = Callable[[str, Any], Any]
"""Makes of a DynamoDB type and a value, as the SDK has it, the value of the same type that the replica is to have.

Raises Unclassified.
"""

_Making = Callable[[Any], Any]
_Check = Callable[[Any], str]
"""Returns what a setting has to be, where it is not; else nothing."""

_SCALARS = frozenset({"S", "N", "B", "BOOL"})
_ALL = _SCALARS | SETS.keys()


@dataclass(frozen=True, slots=True)
class RuleKind:
    """One kind of rules."""

    name: str
    takes: Callable[[Settings], frozenset[str]]
    """The types of values that a rule so set takes, beside NULL: those it gives too."""

    make: Callable[[Settings, Pseudonyms], Mapping[str, _Making]]
    """Returns what makes each scalar type's values."""

    settings: Mapping[str, _Check]
    main: str = ""
    """The setting that a policy may write as the rule's own value: `{last: 4}`."""

    required: tuple[str, ...] = ()
    """The settings that a rule is none without, beside the main one."""

    injective: bool = False
    """Whether different values always become different ones: what a key takes."""

    @property
    def is_keyed(self) -> bool:
        """Whether what it makes depends on the route's key."""
        return "namespace" in self.settings

    def wrong(self, settings: Settings) -> str:
        """Return what is wrong with a rule's settings, as a sentence about the rule; empty where nothing is."""
        if unknown := sorted(settings.keys() - self.settings.keys()):
            return f"has no setting {unknown[0]!r}; it has {', '.join(self.settings) or 'none'}"
        if missing := [name for name in (self.main, *self.required) if name and name not in settings]:
            return f"needs its {missing[0]}"
        for name, value in settings.items():
            if what := self.settings[name](value):
                return f"needs {what} as its {name}"
        return "needs a reason for what it allows" if "allow" in settings and "reason" not in settings else ""

    def masker(self, settings: Settings, pseudonyms: Pseudonyms, *, path: str = "", line: int = 0) -> Masker:
        """Return what masks values by a rule so set, and refuses them by its path and its line in the policy."""
        takes = self.takes(settings)
        made = self.make(settings, pseudonyms)
        makers = {type_: made[type_] for type_ in takes & made.keys()}
        makers |= {type_: _members(made[SETS[type_]]) for type_ in takes & SETS.keys() if SETS[type_] in made}
        makers["NULL"] = _same

        def mask(type_: str, value: Any) -> Any:
            maker = makers.get(type_)
            if maker is None:
                why = f"a value's type is {_type_name(type_)}, and the rule takes {', '.join(sorted(takes))}"
                raise Unclassified(why, path=path, policy_line=line)
            try:
                return maker(value)
            except Unclassified as error:
                raise error.at(path=path, policy_line=line) from None

        return mask


def _type_name(type_: str) -> str:
    return type_ if type_ in _ALL | {"L", "M"} else "none of DynamoDB's"


def _members(make: _Making) -> _Making:
    return lambda members: list(dict.fromkeys(map(make, members)))


# --- What each kind makes


def _keep(settings: Settings, _: Pseudonyms) -> Mapping[str, _Making]:
    keep = _kept(frozenset(settings.get("allow", ())))

    def number(text: str) -> str:
        # Only whole numbers are told of as cards: the digits of fractions are many, and one in ten has the right check.
        return keep(text) if len(text) > 12 and text.isdigit() else text  # noqa: PLR2004

    def binary(value: bytes) -> bytes:
        try:
            keep(value.decode())
        except UnicodeDecodeError:
            return value
        return value

    return {"S": keep, "N": number, "B": binary, "BOOL": _same}


def _kept(allowed: frozenset[str]) -> Callable[[str], str]:
    """Return what passes a text on that no detector, other than the allowed ones, finds anything in."""

    def keep(text: str) -> str:
        if (name := detected(text, allowed)) is not None:
            raise Unclassified(f"what is kept holds what looks like {DETECTORS[name]}: mask it, or allow {name!r}")
        return text

    return keep


def _same(value: Any) -> Any:
    return value


def _replace(settings: Settings, _: Pseudonyms) -> Mapping[str, _Making]:
    [(type_, constant)] = settings["value"].items()
    return {type_: lambda _: constant}


def _pseudonym(settings: Settings, pseudonyms: Pseudonyms) -> Mapping[str, _Making]:
    digest, prefix = pseudonyms.namespace(settings["namespace"]), settings.get("prefix", "")
    return {
        "S": lambda text: prefix + token(digest("S", text)),
        "N": lambda text: whole_number(digest("N", exact_number(text))),
        "B": lambda value: digest("B", value),
    }


def _email(settings: Settings, pseudonyms: Pseudonyms) -> Mapping[str, _Making]:
    digest = pseudonyms.namespace(settings["namespace"])
    return {"S": lambda text: f"{token(digest('S', text))}@{EMAIL_DOMAIN}"}


_DIGIT = re.compile("[0-9]")
_NO_SEPARATOR = re.compile(r"[^0-9 !-/:-@\[-`{-~]")


def _digits(settings: Settings, pseudonyms: Pseudonyms) -> Mapping[str, _Making]:
    digest = pseudonyms.namespace(settings.get("namespace", "~digits"))
    keep_last = settings.get("keep_last", 0)

    def drawn(type_: str, digits: str) -> str:
        """Return as many digits, the last ones kept where others are not."""
        masked = len(digits) - keep_last if keep_last < len(digits) else len(digits)
        block, stream = digest(type_, digits), ""
        while len(stream) < masked:
            stream += whole_number(block).zfill(38)
            block = digest("B", block)
        return stream[:masked] + digits[masked:]

    def text(text: str) -> str:
        """Return a text's digits masked; what is neither digit nor separator is hidden."""
        made = iter(drawn("S", "".join(_DIGIT.findall(text))))
        return _NO_SEPARATOR.sub("*", _DIGIT.sub(lambda _: next(made), text))

    def number(text: str) -> str:
        """Return a number's digits masked, none to a zero that its one spelling would not have."""
        text = exact_number(text)
        first, last = _masked_digits(text)
        made = drawn("N", "".join(_DIGIT.findall(text, first, last)))
        made = _no_zero(made[0]) + made[1:]
        if "." in text:
            made = made[:-1] + _no_zero(made[-1])
        digits = iter(made)
        return text[:first] + _DIGIT.sub(lambda _: next(digits), text[first:last]) + text[last:]

    return {"S": text, "N": number}


def _masked_digits(number: str) -> tuple[int, int]:
    """Return where the digits to mask are: all of a number, or what is between its zeros where it has too many."""
    if len(_DIGIT.findall(number)) <= 38:  # noqa: PLR2004 - as many as DynamoDB keeps
        return 0, len(number)
    return len(number) - len(number.lstrip("-0.")), len(number.rstrip("0"))


def _no_zero(digit: str) -> str:
    return "5" if digit == "0" else digit


def _fake(settings: Settings, pseudonyms: Pseudonyms) -> Mapping[str, _Making]:
    digest, table = pseudonyms.namespace(settings.get("namespace", "~fake")), settings["table"]
    return {"S": lambda text: fake(table, digest("S", text))}


_ISO = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})(?P<time>(?P<mark>[Tt ])(?P<hour>[0-9]{2})"
    r"(?P<rest>:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?)?)?"
)
"""https://www.rfc-editor.org/rfc/rfc3339#appendix-A: ISO 8601's extended format, to nanoseconds or less precise"""

UNITS = ("year", "month", "day", "hour")
"""What a date may be bucketed by."""


def _read_date(text: str) -> tuple[date, re.Match[str]]:
    if (found := _ISO.fullmatch(text)) and int(found["hour"] or 0) < 24:  # noqa: PLR2004
        with suppress(ValueError):
            return date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)), found
    raise Unclassified("a value is no ISO date, with or without a time")


def _bucket(settings: Settings, _: Pseudonyms) -> Mapping[str, _Making]:
    by = settings["by"]
    return {"S": _beginning_of(UNITS.index(by))} if by in UNITS else {"N": _rounded_by(by)}


def _bucket_types(settings: Settings) -> frozenset[str]:
    return _with_sets("S" if settings["by"] in UNITS else "N")


def _beginning_of(unit: int) -> _Making:
    """Return what makes of a date, with or without a time, the beginning of its year, month, day or hour."""

    def beginning(text: str) -> str:
        _, found = _read_date(text)
        made: str = found["year"]
        if found["month"]:
            made += f"-{found['month'] if unit > 0 else '01'}"
        if found["day"]:
            made += f"-{found['day'] if unit > 1 else '01'}"
        if found["time"]:
            hour = found["hour"] if unit > 2 else "00"  # noqa: PLR2004
            made += found["mark"] + hour + _DIGIT.sub("0", found["rest"]) + (found["zone"] or "")
        return made

    return beginning


_WIDE = Context(prec=600)
"""Exact for whatever DynamoDB takes as a number."""


def _rounded_by(size: str) -> _Making:
    """Return what makes of a number the multiple of a size at or below it."""
    step = Decimal(size)

    def rounded(text: str) -> str:
        value = Decimal(exact_number(text))
        above = _WIDE.remainder(value, step)
        return exact_number(_WIDE.subtract(value, above if above >= 0 else _WIDE.add(above, step)))

    return rounded


_DAY_SECONDS = 24 * 60 * 60
_EPOCH = date(1970, 1, 1)
_FIRST_SECOND, _LAST_SECOND = (((day - _EPOCH).days * _DAY_SECONDS) for day in (date.min, date.max))


def _shift(settings: Settings, pseudonyms: Pseudonyms) -> Mapping[str, _Making]:
    """Shift by whole days, the same number for all of a namespace: so order and distances are kept, and hours."""
    days = settings["days"]
    drawn = int.from_bytes(pseudonyms.digest("~shift", "S", settings["namespace"]), "big") % (2 * days) - days
    offset = drawn if drawn < 0 else drawn + 1  # never none

    def text(text: str) -> str:
        day, found = _read_date(text)
        if not found["day"]:
            raise Unclassified("a date names no day, which is what is shifted")
        with suppress(OverflowError):
            return (day + timedelta(days=offset)).isoformat() + (found["time"] or "") + text[found.end() :]
        raise Unclassified("a date would be shifted out of the years 1 to 9999")

    def number(text: str) -> str:
        value = Decimal(exact_number(text))
        if not _FIRST_SECOND <= value <= _LAST_SECOND:
            raise Unclassified("a number is no time in seconds since 1970; milliseconds can't be shifted")
        return exact_number(_WIDE.add(value, Decimal(offset * _DAY_SECONDS)))

    return {"S": text, "N": number}


def _last(settings: Settings, _: Pseudonyms) -> Mapping[str, _Making]:
    shown, keep = settings["characters"], _kept(frozenset())

    def text(text: str) -> str:
        hidden = len(text) - shown
        return "*" * hidden + keep(text[hidden:]) if hidden > 0 else "*" * len(text)

    return {"S": text}


def _redact(settings: Settings, _: Pseudonyms) -> Mapping[str, _Making]:
    names, keep = settings["detectors"], _kept(frozenset(settings.get("allow", ())))
    return {"S": lambda text: keep(redacted(text, names))}


def exact_number(number: str | Decimal) -> str:
    """Return a number in its one spelling; raises Unclassified for what is none, or can't be kept exactly."""
    try:
        return number_text(number)
    except NumberError:
        pass  # what is raised in here would hold on to the number
    raise Unclassified("a number is none that DynamoDB keeps exactly")


# --- How each kind is set


def _with_sets(*types: str) -> frozenset[str]:
    return frozenset(types) | {set_ for set_, member in SETS.items() if member in types}


def _types(*types: str) -> Callable[[Settings], frozenset[str]]:
    with_sets = _with_sets(*types)
    return lambda _: with_sets


def _is(valid: Callable[[Any], bool], what: str) -> _Check:
    return lambda value: "" if valid(value) else what


def _is_whole(least: int, most: int) -> _Check:
    return _is(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
        f"a whole number from {least} to {most}",
    )


def _is_some_of(names: Collection[str]) -> _Check:
    return _is(
        lambda value: (
            isinstance(value, list) and bool(value) and all(isinstance(each, str) and each in names for each in value)
        ),
        f"one or more of {', '.join(names)}",
    )


_TEXT = _is(lambda value: isinstance(value, str) and bool(value), "a text that is not empty")
_NAMESPACE = _is(
    lambda value: isinstance(value, str) and bool(value) and not value.startswith("~"), "the name of a namespace"
)
_PREFIX = _is(lambda value: isinstance(value, str) and len(value) <= 32, "a text of up to 32 characters")  # noqa: PLR2004


def _is_constant(value: Any) -> bool:
    match value:
        case {"S": str()} | {"BOOL": bool()}:
            return len(value) == 1
        case {"N": str(number)}:
            return len(value) == 1 and _is_number(number)
    return False


def _is_number(text: str) -> bool:
    with suppress(NumberError):
        return number_text(text) == text
    return False


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and _is_number(value) and Decimal(value) > 0


_KINDS = (
    RuleKind(
        "keep",
        takes=lambda settings: frozenset(settings.get("types", _ALL)),
        make=_keep,
        settings={"types": _is_some_of(sorted(_ALL)), "reason": _TEXT, "allow": _is_some_of(DETECTORS)},
        injective=True,
    ),
    RuleKind("drop", takes=lambda _: _ALL | {"L", "M"}, make=lambda *_: {}, settings={}),
    RuleKind(
        "replace",
        takes=lambda settings: _with_sets(*settings["value"]),
        make=_replace,
        settings={"value": _is(_is_constant, "a text, a number or true or false")},
        main="value",
    ),
    RuleKind(
        "pseudonym",
        takes=_types("S", "N", "B"),
        make=_pseudonym,
        settings={"namespace": _NAMESPACE, "prefix": _PREFIX},
        main="namespace",
        injective=True,
    ),
    RuleKind(
        "email",
        takes=_types("S"),
        make=_email,
        settings={"namespace": _NAMESPACE},
        main="namespace",
        injective=True,
    ),
    RuleKind(
        "digits",
        takes=_types("S", "N"),
        make=_digits,
        settings={"keep_last": _is_whole(0, 37), "namespace": _NAMESPACE},
    ),
    RuleKind(
        "fake",
        takes=_types("S"),
        make=_fake,
        settings={
            "table": _is(lambda table: isinstance(table, str) and table in TABLES, f"one of {', '.join(TABLES)}"),
            "namespace": _NAMESPACE,
        },
        main="table",
    ),
    RuleKind(
        "bucket",
        takes=_bucket_types,
        make=_bucket,
        settings={"by": _is(lambda by: by in UNITS or _is_size(by), f"one of {', '.join(UNITS)}, or a number above 0")},
        main="by",
    ),
    RuleKind(
        "shift",
        takes=_types("S", "N"),
        make=_shift,
        settings={"namespace": _NAMESPACE, "days": _is_whole(1, 36_500)},
        required=("namespace", "days"),
    ),
    RuleKind(
        "last",
        takes=_types("S"),
        make=_last,
        settings={"characters": _is_whole(0, 1000)},
        main="characters",
    ),
    RuleKind(
        "redact",
        takes=_types("S"),
        make=_redact,
        settings={"detectors": _is_some_of(DETECTORS), "allow": _is_some_of(DETECTORS), "reason": _TEXT},
        main="detectors",
    ),
)

RULES: Mapping[str, RuleKind] = {kind.name: kind for kind in _KINDS}
"""The kinds by the names that a policy has for them."""

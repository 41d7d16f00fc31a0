"""Detectors of what must not be kept by mistake: e-mail addresses, numbers of cards and accounts, keys and tokens.

Each takes time linear in the text's length, whatever the text. They are a net below the rules, not a proof.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = ["DETECTORS", "REMOVED", "detected", "redacted"]

REMOVED = "[removed]"
"""What stands in a text for what was found there."""

Span = tuple[int, int]

_SUSPECT = re.compile(
    r"[@%0-9_JA-](?:(?<=@)|(?<=%)40|(?<=[0-9])[0-9](?:[0-9]{2}[ -]?[0-9]{4}"
    r"|(?<=[A-Za-z]{2}[0-9]{2})(?:[ -]?[A-Za-z0-9]){11})"
    r"|(?<=eyJ)|(?<=_)[A-Za-z0-9]{16}|(?<=-)(?:----BEGIN|(?<=xox[a-z]-)|(?<=glpat-))"
    r"|(?<=A)(?:[KS]IA[A-Z0-9]|Iza))"
)
"""Matches in every text that a detector finds something in. Most texts are done with by it alone.

It begins with a set of characters, which `re` skips to without trying the rest.
"""

_LOCAL = r"\w.!#$&'*+/=?^`{|}~\"-"
_ADDRESS = re.compile(rf"(?:@(?<=[{_LOCAL}]@)|%40(?<=[{_LOCAL}]%40))[\w-]++(?:\.[\w-]++)*\.[^\W\d_]{{2,}}[\w-]*")
_BEFORE_AT = re.compile(rf"[{_LOCAL}%]").match


def _emails(text: str) -> Iterator[Span]:
    """Find addresses, also with the at sign as URLs write it."""
    floor = 0
    for found in _ADDRESS.finditer(text):
        start = found.start()
        if text[start - 1] == '"':
            start = max(text.rfind('"', floor, start - 1), floor)
        while start > floor and _BEFORE_AT(text, start - 1):
            start -= 1
        floor = found.end()
        yield start, floor


# From every start at most so many characters are looked at, so the time is linear. Within hexadecimal texts and behind
# a decimal point digits are no number of a card.
_CARD = re.compile(
    r"(?<![0-9A-Fa-f])(?<![0-9][.,])(?=([0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{1,4}(?:\2[0-9]{1,3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\3[0-9]{4,5})(?![0-9A-Fa-f]))"
)
_ISSUER = re.compile("[3-6]|2[2-7]")
_DOUBLED = {str(digit): digit * 2 // 10 + digit * 2 % 10 for digit in range(10)}


def _cards(text: str) -> Iterator[Span]:
    """Find numbers of 13 to 19 digits, in the groups that cards have or in one, whose check digit is right.

    https://www.iso.org/standard/70484.html (ISO/IEC 7812-1): the issuer's first digits, and Luhn's check digit
    """
    for found in _CARD.finditer(text):
        digits = re.sub("[ -]", "", found[1])
        if len(digits) >= 13 and _ISSUER.match(digits) and _luhn(digits) % 10 == 0:  # noqa: PLR2004
            yield found.span(1)


def _luhn(digits: str) -> int:
    return sum(map(int, digits[-1::-2])) + sum(_DOUBLED[digit] for digit in digits[-2::-2])


_ACCOUNT = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}))")
_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
"""https://www.swift.com/standards/data-standards/iban-international-bank-account-number: characters by country"""

_LENGTHS: Mapping[str, int] = {each[:2]: int(each[2:]) for each in _COUNTRIES.split()}


def _accounts(text: str) -> Iterator[Span]:
    """Find IBANs, in groups or in one, of their country's length and with the right check digits."""
    for found in _ACCOUNT.finditer(text):
        written = [(at, char) for at, char in enumerate(found[1].upper(), found.start()) if char not in " -"]
        length = _LENGTHS.get(written[0][1] + written[1][1], 0)
        if not 0 < length <= len(written):
            continue
        end = written[length - 1][0] + 1
        number = "".join(char for _, char in written[:length])
        if not text[end : end + 1].isalnum() and _remainder(number) == 1:
            yield found.start(), end


def _remainder(iban: str) -> int:
    """Return what the check digits leave of ISO 7064's modulo 97: letters count from 10."""
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97


_TOKEN = re.compile(
    r"A[KS]IA[A-Z0-9]{16}"  # an access key of AWS
    r"|(?:gh[pousr]|npm)_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"
    r"|(?<![\w-])eyJ[\w-]++\.eyJ[\w-]++\.[\w-]*"  # a JSON Web Token: base64 of `{"`, twice
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|(?:sk|rk)_live_[A-Za-z0-9]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}|AIza[\w-]{35}|glpat-[\w-]{20}"
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids"""


def _tokens(text: str) -> Iterator[Span]:
    return (found.span() for found in _TOKEN.finditer(text))


_SPANS: Mapping[str, Callable[[str], Iterator[Span]]] = {
    "email": _emails,
    "card": _cards,
    "iban": _accounts,
    "token": _tokens,
}

DETECTORS: Mapping[str, str] = {
    "email": "an e-mail address",
    "card": "the number of a card",
    "iban": "the number of an account",
    "token": "a key or a token",
}
"""What a policy calls each, and what a sentence says that it found."""


def detected(text: str, allowed: Collection[str] = ()) -> str | None:
    """Return the name of a detector that finds something in a text, other than the allowed ones."""
    if not _SUSPECT.search(text):
        return None
    return next(
        (name for name, spans in _SPANS.items() if name not in allowed and any(True for _ in spans(text))), None
    )


def redacted(text: str, names: Collection[str]) -> str:
    """Return a text without what these detectors find in it.

    >>> redacted("write to jane@example.com, or not", ["email"])
    'write to [removed], or not'
    """
    if not _SUSPECT.search(text):
        return text
    parts, at = [], 0
    for start, end in sorted(span for name in names for span in _SPANS[name](text)):
        if start >= at:
            parts += [text[at:start], REMOVED]
        at = max(at, end)
    return "".join([*parts, text[at:]])

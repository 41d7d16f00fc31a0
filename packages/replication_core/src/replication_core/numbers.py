"""Numbers as text: how one is written, and DynamoDB's own spelling, exact and of at most 38 digits."""

import re
from decimal import Context, Decimal, DecimalException, Inexact

__all__ = ["NumberError", "number_text", "read_number"]

# https://www.rfc-editor.org/rfc/rfc8259#section-6, which DynamoDB's numbers are sent in too
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_SPELLED = re.compile(r"0|-?(?:[1-9][0-9]{0,18}(?:\.[0-9]{0,17}[1-9])?|0\.[0-9]{0,17}[1-9])")
"""Numbers in their one spelling, of few digits."""

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: numbers
_EXACT = Context(prec=38, traps=[Inexact])
_EXPONENTS = (-130, 125)


class NumberError(ValueError):
    """What DynamoDB would not take as a number; its text continues a sentence about the value."""


def read_number(text: str) -> Decimal:
    """Return the exact number that others wrote; raises NumberError for what is none.

    The grammar is JSON's, in ASCII digits, but that zeros may lead, which DynamoDB trims. Decimal, int and float take
    more: `1_000`, `１２`, ` 1`, `+1`, `.5`, `1.` and `NaN` are no numbers here.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html: numbers
    """
    if not _NUMBER.fullmatch(text):
        raise NumberError("is not a number")
    try:
        return Decimal(text)
    except DecimalException as error:
        raise NumberError("has more digits than DynamoDB keeps") from error


def number_text(number: str | Decimal) -> str:
    """Return a number's one spelling, so that equal numbers are equal texts.

    It is DynamoDB's own: no exponent, however many zeros that takes, and no superfluous zeros. 1.1E+50 has 51 digits.
    Raises NumberError for what DynamoDB would not take as a number.

    >>> number_text("1.50"), number_text("15e-1")
    ('1.5', '1.5')

    https://github.com/boto/boto3/issues/4636: what DynamoDB makes of 1.0E+50
    """
    if isinstance(number, str):
        if _SPELLED.fullmatch(number):
            return number
        number = read_number(number)
    if not number.is_finite():
        raise NumberError("is not a finite number")
    if not number:
        return "0"
    try:
        shortest = number.normalize(_EXACT)
    except Inexact as error:
        raise NumberError("has more digits than DynamoDB keeps") from error
    lowest, highest = _EXPONENTS
    if not lowest <= shortest.adjusted() <= highest:
        raise NumberError("has more digits than DynamoDB keeps")
    return format(shortest, "f")

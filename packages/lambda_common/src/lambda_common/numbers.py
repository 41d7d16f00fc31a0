"""DynamoDB's numbers: exact, of at most 38 digits."""

from decimal import Decimal, InvalidOperation

__all__ = ["NumberError", "number_text"]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: numbers
_DIGITS = 38
_EXPONENTS = (-130, 125)


class NumberError(ValueError):
    """What DynamoDB would not take as a number; its text continues a sentence about the value."""


def number_text(number: str | Decimal) -> str:
    """Return a number's one spelling, so that equal numbers are equal texts.

    It is DynamoDB's own for whatever it holds in 38 digits: no exponent, no superfluous zeros. Raises NumberError
    for what DynamoDB would not take as a number.
    """
    try:
        number = Decimal(number)
    except InvalidOperation as error:
        raise NumberError("is not a number") from error
    if not number.is_finite():
        raise NumberError("is not a finite number")
    if not number:
        return "0"
    sign, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).lstrip("0").rstrip("0")
    lowest, highest = _EXPONENTS
    if len(significant) > _DIGITS or not lowest <= number.adjusted() <= highest:
        raise NumberError("has more digits than DynamoDB keeps")
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    exact = Decimal((sign, tuple(map(int, significant)), int(exponent) + trailing))
    return format(exact, "f") if abs(exact.adjusted()) < _DIGITS else str(exact)

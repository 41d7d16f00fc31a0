"""What is a number in text that others wrote: JSON's grammar, and nothing that Python takes besides."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core.numbers import NumberError, number_text, read_number

NONE = [
    *("1_000", "1_0", "１２", "٣", "1,000", "0x10", "1e1_0", "1e１", "²"),
    *("NaN", "nan", "sNaN", "Infinity", "-inf", "", "-", "x", " 1", "1 ", "1\n", "\u00a01"),
    *("+1", ".5", "1.", "--1", "1e", "1e+", "1.2.3", "1 2"),
]


@pytest.mark.parametrize("text", NONE)
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    for read in (read_number, number_text):
        with pytest.raises(NumberError, match=r"^is not a number$"):
            read(text)


@pytest.mark.parametrize(
    ("text", "number"), [("0", "0"), ("-12.50", "-12.5"), ("1E+3", "1000"), ("12e-1", "1.2"), ("0070", "70")]
)
def test_what_json_takes_is_one_and_zeros_may_lead(text: str, number: str) -> None:
    assert read_number(text) == Decimal(number)
    assert number_text(text) == number


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_exactly(number: Decimal) -> None:
    assert read_number(str(number)) == number


def test_an_exponent_that_no_decimal_has_is_too_many_digits() -> None:
    with pytest.raises(NumberError, match="more digits than DynamoDB keeps"):
        read_number("1e9999999999999999999999")

"""Which keys an event may mean."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core.object_keys import KEY_BYTES, readings

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
    lambda key: len(key.encode()) <= KEY_BYTES and ".." not in key.split("/")
)


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("plain/é日&?#(x)!*'.txt", ("plain/é日&?#(x)!*'.txt",)),
        ("a%20b", ("a%20b", "a b")),
        ("a+b", ("a+b", "a b")),
        ("a%2Bb", ("a%2Bb", "a+b")),
        ("a%252Bb", ("a%252Bb", "a%2Bb")),
        ("a+b%20c", ("a+b%20c", "a+b c", "a b c")),
        ("100%", ("100%",)),
        ("100%25", ("100%25", "100%")),
        ("%41", ("%41", "A")),
        ("%FF", ("%FF",)),
        ("%C3%A9", ("%C3%A9", "é")),
        ("%2E%2E/x", ("%2E%2E/x",)),
        ("videos/2014/%2E./../video1.wmv", ("videos/2014/%2E./../video1.wmv", "videos/2014/../../video1.wmv")),
        ("videos/%2E./../video1.wmv", ("videos/%2E./../video1.wmv",)),
        ("./%2E./x", ("./%2E./x",)),
        ("../a", ("../a",)),
        ("é" * 512, ("é" * 512,)),
        (quote("é" * 512), ("é" * 512,)),
        ("+" * 1025, ()),
        ("", ()),
        ("\ud800", ()),
    ],
)
def test_a_key_is_read_as_it_is_written_and_decoded_where_that_is_another_key(
    written: str, keys: tuple[str, ...]
) -> None:
    assert readings(written) == keys


@given(KEYS)
def test_every_key_is_read_in_whatever_way_it_is_written(key: str) -> None:
    for written in (key, quote(key), quote(key, safe=""), quote_plus(key), quote_plus(key, safe="/")):
        assert key in readings(written), written


@given(KEYS.filter(lambda key: not set(key) & set("%+")))
def test_an_ordinary_key_is_one_key(key: str) -> None:
    assert readings(key) == (key,)

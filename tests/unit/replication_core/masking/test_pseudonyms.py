"""Pseudonyms: the algorithm of version 1, checked against another implementation and fixed by golden vectors."""

import base64
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from replication_core.masking.pseudonyms import Pseudonyms, hkdf, token, whole_number

ROOT = bytes(range(32))

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
"""With halves of surrogate pairs, which a JSON text may hold."""


@pytest.mark.parametrize(
    ("secret", "salt", "info", "length", "expected"),
    [
        (
            bytes([11] * 22),
            bytes(range(13)),
            bytes(range(0xF0, 0xFA)),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(80)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b83677"
            "93a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            bytes([11] * 22),
            b"",
            b"",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_keys_are_derived_as_rfc_5869_has_it(
    secret: bytes, salt: bytes, info: bytes, length: int, expected: str
) -> None:
    assert hkdf(secret, salt=salt, info=info, length=length).hex() == expected


GOLDEN = [
    (1, "customer", "S", "", "hugnjbyht7zpz47jyxeapvek5i"),
    (1, "customer", "S", "c-17", "f6ahb2c4s3v6rfar3zz6xj3dku"),
    (2, "customer", "S", "c-17", "dmhqkkevctqgtvieuxewqtxdg4"),
    (1, "mail", "S", "jane@example.com", "czssbhjdli2cgleu6gwphew3mu"),
    (1, "customer", "S", "Zoë 😀", "gb7qljz2yaehtis2ou6mywu6wm"),
    (1, "customer", "S", "\ud800", "j76ufmim7b6e4okddnpivvac6m"),
    (1, "customer", "N", "17", "29083790081208370359101312622720137309"),
    (1, "customer", "N", "-0.5", "56051096378390527931997521295183569010"),
    (1, "customer", "B", b"\x00\xff", "91fe91e57e60f7d0e8dc9e7b13690e68"),
]


def frame(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def digest_by_another_implementation(generation: int, namespace: str, type_: str, value: bytes) -> bytes:
    info = frame(str(generation).encode()) + frame(namespace.encode())
    key = HKDF(hashes.SHA256(), 32, salt=b"pipeline.masking/1", info=info).derive(ROOT)
    mac = HMAC(key, hashes.SHA256())
    mac.update(frame(type_.encode()) + frame(value))
    return mac.finalize()[:16]


@given(
    generation=st.integers(1, 9),
    namespace=st.text("abc~-", min_size=1),
    value=st.one_of(
        st.tuples(st.sampled_from(["S", "N"]), ANY_TEXT),
        st.tuples(st.just("B"), st.binary()),
    ),
)
def test_a_digest_is_the_hmac_of_a_framed_type_and_value_by_the_namespaces_key(
    generation: int, namespace: str, value: tuple[str, str | bytes]
) -> None:
    type_, told = value
    raw = told if isinstance(told, bytes) else told.encode("utf-8", "surrogatepass")
    expected = digest_by_another_implementation(generation, namespace, type_, raw)
    assert Pseudonyms(ROOT, generation).digest(namespace, type_, told) == expected


@pytest.mark.parametrize(("generation", "namespace", "type_", "value", "expected"), GOLDEN)
def test_the_pseudonyms_of_version_1_are_these_for_ever(
    generation: int, namespace: str, type_: str, value: str | bytes, expected: str
) -> None:
    digest = Pseudonyms(ROOT, generation).digest(namespace, type_, value)
    assert (whole_number(digest) if type_ == "N" else digest.hex() if type_ == "B" else token(digest)) == expected


@given(st.binary(min_size=16, max_size=16))
def test_a_token_is_the_digest_in_base32_of_small_letters(digest: bytes) -> None:
    assert token(digest) == base64.b32encode(digest).decode().rstrip("=").lower()


@given(st.binary(min_size=16, max_size=16))
def test_a_number_has_at_most_as_many_digits_as_dynamodb_keeps(digest: bytes) -> None:
    assert int(whole_number(digest)) == int.from_bytes(digest, "big") % 10**38


def test_generation_namespace_type_and_form_of_a_text_each_make_another_pseudonym() -> None:
    first, second = Pseudonyms(ROOT, 1), Pseudonyms(ROOT, 2)
    digests = {
        first.digest("customer", "S", "1"),
        first.digest("customer", "N", "1"),
        first.digest("customer", "B", b"1"),
        first.digest("mail", "S", "1"),
        second.digest("customer", "S", "1"),
        Pseudonyms(bytes(32), 1).digest("customer", "S", "1"),
        first.digest("customer", "S", "\u00e9"),
        first.digest("customer", "S", "e\u0301"),
        first.digest("customer", "S", "\ud83d\ude00"),
        first.digest("customer", "S", "\U0001f600"),
    }
    assert len(digests) == 10


def test_another_process_makes_the_same_pseudonyms() -> None:
    program = (
        "from replication_core.masking.pseudonyms import Pseudonyms\n"
        "print(Pseudonyms(bytes(range(32)), 1).digest('customer', 'S', 'c-17').hex())"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == Pseudonyms(ROOT, 1).digest("customer", "S", "c-17").hex()


def test_a_root_key_of_another_length_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="has 32 bytes, not 16"):
        Pseudonyms(bytes(16), 1)
    assert ROOT.hex() not in repr(vars(Pseudonyms)) + repr(Pseudonyms(ROOT, 1))

"""Detectors: what they find and what they don't, and that the time they take is linear, whatever the text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication_core.masking import detectors
from replication_core.masking.detectors import DETECTORS, detected, redacted

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"

FOUND = [
    ("email", "jane@example.com"),
    ("email", "jane.doe+shop@mail.example.co.uk"),
    ("email", "zoë@müller.example"),
    ("email", '"jane doe"@example.com'),
    ("email", "jane%40example.com"),
    ("email", "o'neil@xn--bcher-kva.xn--p1ai"),
    ("card", "4111111111111111"),
    ("card", "4111 1111 1111 1111"),
    ("card", "4111-1111-1111-1111"),
    ("card", "378282246310005"),
    ("card", "3782 822463 10005"),
    ("card", "30569309025904"),
    ("card", "2223003122003222"),
    ("card", "6304000000000000000"),
    ("card", "4222222222222"),
    ("iban", "DE89370400440532013000"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "de89 3704 0044 0532 0130 00"),
    ("iban", "NO9386011117947"),
    ("iban", "MT84MALT011000012345MTLCAST001S"),
    ("token", "AKIAIOSFODNN7EXAMPLE"),
    ("token", "ASIAIOSFODNN7EXAMPLE"),
    ("token", "ghp_" + "a1B2" * 9),
    ("token", "github_pat_" + "a" * 22 + "_" + "b" * 59),
    ("token", JWT),
    ("token", KEY),
    ("token", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----"),
    ("token", "sk_live_" + "a1" * 12),
    ("token", "xoxb-123456789012-abcdef"),
]


@pytest.mark.parametrize(("name", "text"), FOUND)
@pytest.mark.parametrize("around", ["{}", "see {}, please", "<{}>", "\n{}\n", "[{}]", "{}.", "no: {};"])
def test_a_detector_finds_what_it_is_for_and_what_is_found_can_be_removed(name: str, text: str, around: str) -> None:
    held = around.format(text)
    assert detected(held) == name
    assert detected(held, [name]) is None
    assert redacted(held, [name]) == around.format("[removed]")
    assert redacted(held, [other for other in DETECTORS if other != name]) == held


def test_more_is_removed_rather_than_less_where_nobody_can_tell_where_it_ends() -> None:
    assert redacted("a=jane@example.com&b=1", ["email"]) == "[removed]&b=1"
    assert redacted("key: -----BEGIN EC PRIVATE KEY-----\nMIIEpA", ["token"]) == "key: [removed]"


@pytest.mark.parametrize(
    "text",
    [
        *("", "open", "jane at example.com", "@home", "a@b", "npm i @scope/pkg@1.2.3", "user@localhost", "50%40"),
        "2024-05-06T10:11:12.123456Z",
        "20240506101112",
        "1700000000000",
        "4111111111111112",
        "411111111111111",
        "9111111111111111",
        "0.4111111111111111",
        "52,4111111111111111",
        "41111111111111111111111111",
        "c4111111111111111ab",
        "DE88370400440532013000",
        "DE8937040044053201300",
        "DE89370400440532013000x",
        "XX89370400440532013000",
        "d290f1ee-6c54-4b01-90e6-d701748f0851",
        "c_hugnjbyht7zpz47jyxeapvek5i",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "AKIAshort",
        "ghp_short",
        "eyJhbGciOiJIUzI1NiJ9",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "snake_case_names_of_some_length",
    ],
)
def test_a_detector_leaves_alone_what_only_resembles_what_it_is_for(text: str) -> None:
    assert detected(text) is None
    assert redacted(text, list(DETECTORS)) == text


PIECES = st.one_of(
    st.sampled_from([text for _, text in FOUND]),
    st.sampled_from(
        ["@", "%40", ".", " ", "-", "_", "eyJ", "-----BEGIN ", "PRIVATE KEY", "DE", "89", "4111", "1111", "a"]
    ),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=5),
    st.from_regex("[0-9]{1,20}", fullmatch=True),
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_most_texts_are_done_with_passes_over_nothing_that_a_detector_finds(text: str) -> None:
    found = [name for name, spans in detectors._SPANS.items() if any(True for _ in spans(text))]
    assert detected(text) == (found[0] if found else None)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_a_text_without_what_was_found_is_kept_but_for_that(text: str) -> None:
    assert redacted(text, []) == text
    pieces = redacted(text, list(DETECTORS)).split("[removed]")
    at = 0
    for piece in pieces:
        at = text.index(piece, at) + len(piece)


ADVERSARIAL = [
    "a",
    "a.",
    "a@",
    "@a",
    "a@b.",
    "a@b.c1.",
    "%40",
    "a%40b.",
    "-",
    "4",
    "41 ",
    "4111 ",
    "4111111111111111 ",
    "DE89",
    "DE89 ",
    "DE89370400440532013000x",
    "AKIA",
    "ghp_",
    "eyJ",
    "eyJa.",
    "eyJa.eyJ.",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----END ",
    "xoxb-",
    "sk_live_",
    "é@",
    "\ud800@",
]


def seconds(text: str) -> float:
    def once() -> float:
        begin = time.process_time()
        for spans in detectors._SPANS.values():
            for _ in spans(text):
                pass
        detected(text)
        redacted(text, list(DETECTORS))
        return time.process_time() - begin

    return min(once() for _ in range(3))


@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_a_text_of_eight_times_the_length_takes_eight_times_as_long(piece: str) -> None:
    """Quadratic it would be 64 times; what is between is left to a machine that does something else as well."""
    length = 8_000
    short, long = (piece * (times * length // len(piece)) for times in (1, 8))
    assert seconds(long) < 24 * max(seconds(short), 0.0005)

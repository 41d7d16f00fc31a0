"""A hunt finds a planted value in every spelling, wherever a stream is cut, and nothing where there is none."""

import base64
import gzip
import hashlib
import json
import random
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from pipeline_ops.demo.hunt import Hunt

NAME = "M\u00fcller, J\u00f6rg <j.mueller@beispiel.example>"
TEXT = NAME.encode()
BLOB = bytes(range(200, 232))


def found(planted: str | bytes, stream: bytes, piece: int = 7) -> list[str]:
    pieces = (stream[at : at + piece] for at in range(0, len(stream), piece))
    return [trace.spelling for trace in Hunt({"planted": planted}).search("a place", pieces)]


@pytest.mark.parametrize(
    ("spelling", "stream"),
    [
        ("as it is", b"<<" + TEXT + b">>"),
        ("as it is", unicodedata.normalize("NFD", NAME).encode()),
        ("hex", TEXT.hex().encode()),
        ("hex", TEXT.hex().upper().encode()),
        ("URL-encoded", quote(NAME).encode()),
        ("URL-encoded", quote_plus(NAME).encode()),
        ("URL-encoded", quote(NAME, safe="").lower().replace("m%c3", "M%c3").replace("j%c3", "J%c3").encode()),
        ("escaped", json.dumps({"who": NAME}).encode()),
        ("escaped", json.dumps(json.dumps({"who": NAME})).encode()),
        ("UTF-16", NAME.encode("utf-16")),
        ("UTF-16", NAME.encode("utf-16-be")),
        ("its md5", hashlib.md5(TEXT, usedforsecurity=False).hexdigest().encode()),
        ("its sha256", base64.b64encode(hashlib.sha256(TEXT).digest())),
        ("as it is, gzipped", gzip.compress(b"first\n", mtime=0) + gzip.compress(TEXT, mtime=0)),
        ("as it is, gzipped, gzipped", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("hex, gzipped", gzip.compress(TEXT.hex().encode(), mtime=0)),
    ],
)
def test_a_text_is_found_in_every_spelling(spelling: str, stream: bytes) -> None:
    assert found(NAME, stream) == [spelling]


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_whichever_byte_the_value_begins(before: int, encode: object) -> None:
    assert callable(encode)
    for planted in (NAME, BLOB):
        value = planted.encode() if isinstance(planted, str) else planted
        assert found(planted, encode(b"x" * before + value + b"y" * before)) == ["base64"]


def test_bytes_are_found_as_they_are_and_as_a_log_shows_them() -> None:
    assert found(BLOB, b"a" + BLOB + b"b") == ["as it is"]
    assert found(BLOB, f"item {BLOB!r}".encode()) == ["escaped"]


@pytest.mark.parametrize("piece", [1, 2, 5, 4096])
def test_a_stream_may_be_cut_anywhere(piece: int) -> None:
    stream = gzip.compress(b"-" * 5_000 + TEXT + b"-" * 5_000)
    assert found(NAME, stream, piece) == ["as it is, gzipped"]


def test_a_stream_is_looked_through_while_it_comes_and_no_more_of_it_is_kept_than_a_piece() -> None:
    def pieces() -> Iterator[bytes]:
        noise = random.Random(1).randbytes(100_000)
        yield TEXT[:9]
        yield TEXT[9:]
        for _ in range(50):
            yield noise
        yield TEXT

    assert [str(trace) for trace in Hunt({"a name": NAME}).search("an export", pieces())] == [
        "an export: a name, as it is"
    ]


def test_what_is_no_gzip_after_all_is_looked_through_as_it_is() -> None:
    whole = gzip.compress(b"-" * 1_000)
    assert found(NAME, whole[:10] + b"broken" + TEXT) == ["as it is"]
    assert found(NAME, b"\x1f") == found(NAME, b"") == []


def test_nothing_is_found_in_what_has_none_of_it() -> None:
    noise = random.Random(2).randbytes(1_000_000)
    assert found(NAME, noise + base64.b64encode(noise) + noise.hex().encode(), 65_536) == []
    assert found(NAME, NAME[1:].encode()) == []


def test_a_trace_tells_which_value_and_never_the_value() -> None:
    hunt = Hunt({"first": "planted-1", "second": "planted-2"})
    assert [(one.planted, one.place) for one in hunt.search("here", [b"planted-2 planted-1"])] == [
        ("first", "here"),
        ("second", "here"),
    ]
    assert "planted-1" not in "".join(map(str, hunt.search("here", [b"planted-1"])))


def test_a_value_that_would_be_found_by_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="'pin' has less than 6 bytes"):
        Hunt({"pin": "1234"})

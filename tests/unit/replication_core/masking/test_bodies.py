"""Bodies masked as streams: the same bytes whatever the chunks and wherever it was gone on, in flat memory."""

import gzip
import json
import traceback
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from record_files.splitting import RECORD_BYTES, Format, Position
from replication_core.masking import bodies
from replication_core.masking.attributes import AttributeMasks
from replication_core.masking.bodies import BodyBlock, BodyPosition, MaskedBody
from replication_core.masking.policy import PathRule, Rule
from replication_core.masking.pseudonyms import Pseudonyms, token
from replication_core.masking.records import RecordMask
from replication_core.masking.refusals import Unclassified

SECRETS = Pseudonyms(bytes(32), 1)
CUSTOMER, KEEP = Rule("pseudonym", {"namespace": "customer"}, 3), Rule("keep", line=1)
RULES = (PathRule("id", CUSTOMER), PathRule("n", KEEP), PathRule("d", Rule("drop")))
OUT = "out"
"""Records of this id do not travel."""

MASK = RecordMask(RULES, AttributeMasks(SECRETS, drops_unknown=False), {"id": lambda _, value: value != OUT})


def told(text: str) -> bytes:
    return token(SECRETS.digest("customer", "S", text)).encode()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BLOCK_BYTES", 64)


def blocks(format_: Format, chunks: Iterable[bytes], at: BodyPosition | None = None) -> list[BodyBlock]:
    return list(MaskedBody(format_, MASK, at).blocks(chunks))


def masked(format_: Format, *chunks: bytes) -> bytes:
    return b"".join(block.data for block in blocks(format_, chunks))


@pytest.mark.parametrize(
    ("format_", "body", "expected"),
    [
        (
            Format.LINES,
            b'\xef\xbb\xbf\r\n{"id": "a"}\r\n \n{"n": 1.50}',
            b'\xef\xbb\xbf\r\n{"id": "%s"}\r\n \n{"n": 1.50}',
        ),
        (Format.LINES, b'{"id": "out"}\n\n{"id": "a"}\n{"id": "out"}', b'\n{"id": "%s"}\n'),
        (Format.LINES, b"\n\n", b"\n\n"),
        (Format.LINES, b"", b""),
        (
            Format.ARRAY,
            b'\xef\xbb\xbf [ {"id":"a"} ,\r\n {"n":1}\n]\n \n',
            b'\xef\xbb\xbf [ {"id":"%s"} ,\r\n {"n":1}\n]\n \n',
        ),
        (Format.ARRAY, b'[{"id":"out"}, {"id":"a"},\n{"id":"out"},\n{"n":1}]', b'[ {"id":"%s"},\n{"n":1}]'),
        (Format.ARRAY, b'[{"id":"out"}]\n', b"[]\n"),
        (Format.ARRAY, b"[ ] ", b"[ ] "),
        (Format.ARRAY, b"", b""),
        (Format.CSV, b'\xef\xbb\xbf"id",n,d\r\n\r\na,"1\n2",x\r\nout,3,x', b'\xef\xbb\xbf"id",n\r\n\r\n%s,"1\n2"\r\n'),
        (Format.CSV, b"n,id\n,\n1,\n", b"n,id\n,\n1,\n"),
        (Format.CSV, b"id", b"id"),
    ],
)
def test_all_bytes_of_a_body_but_the_masked_ones_stay(format_: Format, body: bytes, expected: bytes) -> None:
    expected = expected.replace(b"%s", told("a"))
    assert masked(format_, body) == expected
    assert masked(format_, *(body[at : at + 1] for at in range(len(body)))) == expected
    packed = masked(format_, gzip.compress(body, mtime=1))
    assert gzip.decompress(packed) == expected
    assert packed.startswith(bytes.fromhex("1f8b08000000000000ff"))


records = st.fixed_dictionaries(
    {}, optional={"id": st.sampled_from(["a", "é", OUT]), "n": st.integers(-9999, 9999), "d": st.text()}
)
chunk_sizes = st.integers(1, 200)


def written(format_: Format, found: list[dict[str, Any]], end: str) -> bytes:
    if format_ is Format.CSV:
        cells = [f'{one.get("id", "")},"{one.get("n", "")}",' for one in found]
        return end.join(["id,n,d", *cells]).encode()
    texts = [json.dumps(one, ensure_ascii=False) for one in found]
    return (end.join(texts) if format_ is Format.LINES else f"[{(',' + end).join(texts)}]{end}").encode()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@settings(deadline=None)
@given(
    found=st.lists(records, max_size=20),
    format_=st.sampled_from(Format),
    end=st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    size=chunk_sizes,
    other=chunk_sizes,
    compressed=st.booleans(),
)
def test_what_comes_out_is_the_same_whatever_the_chunks_and_wherever_it_was_gone_on(
    found: list[dict[str, Any]], format_: Format, end: str, size: int, other: int, compressed: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bodies, "BLOCK_BYTES", 64)
        body = written(format_, found, end)
        body = gzip.compress(body) if compressed else body
        whole = blocks(format_, chunked(body, size))
        data = b"".join(block.data for block in whole)
        assert data == b"".join(block.data for block in blocks(format_, chunked(body, other)))
        for number, block in enumerate(whole, 1):
            at = BodyPosition.parse(json.loads(json.dumps(block.position.document())))
            assert at == block.position
            rest = b"".join(each.data for each in blocks(format_, chunked(body[at.source_offset :], other), at))
            assert rest == b"".join(each.data for each in whole[number:])


bits = st.sampled_from(
    [
        b'{"id": "a"}',
        b"a,1,x",
        b"id,n,d",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"\n",
        b"\r\n",
        b" ",
        b"\xff",
        b"1",
    ]
)


@settings(deadline=None)
@given(soup=st.lists(bits, max_size=20).map(b"".join), format_=st.sampled_from(Format), cut=st.integers(0, 60))
def test_bytes_of_any_kind_are_masked_or_refused(soup: bytes, format_: Format, cut: int) -> None:
    for body in (soup, gzip.compress(soup)[:cut], gzip.compress(soup)):
        with suppress(Unclassified):
            masked(format_, *chunked(body, 7))


CANARY = b"canary-7f3a"


@pytest.mark.parametrize(
    ("format_", "body", "why"),
    [
        (Format.LINES, b'{"id": "a"}\n\n{"canary-7f3a": 1}', "line 3, record 2: .*no rule"),
        (Format.LINES, b'{"id": "a"}\n{"id": "canary-7f3a', "line 2, record 2: not JSON"),
        (Format.LINES, b'{"n": "' + CANARY * 100_000 + b'"}', "line 1, record 1: the record is longer"),
        (Format.LINES, b"PK\x03\x04" + CANARY, "not a JSON object"),
        (Format.ARRAY, b'[{"id": "canary-7f3a"},', "record 2: the JSON array is not closed"),
        (Format.ARRAY, b'[{"id": "a"},\n{"id": "canary-7f3a', "line 2, record 2: the file ends"),
        (Format.ARRAY, b'[{"id": "a"}] canary-7f3a', "follows the end"),
        (Format.ARRAY, b'{"id": "canary-7f3a"}', "not a JSON array"),
        (Format.ARRAY, b'[{"id": "a"},]', "record 2: not a JSON object"),
        (Format.CSV, b"id,n\na,1\ncanary-7f3a", "line 3, record 2: a row has 1 cells"),
        (Format.CSV, b'id,n\n"canary-7f3a,1\n', "line 2, record 1: a quoted cell"),
        (Format.CSV, b"id,canary-7f3a\n", "line 1: .*no rule"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_that_is_not_what_the_policy_says_is_refused_and_nothing_of_it_is_told(
    format_: Format, body: bytes, why: str, compressed: bool
) -> None:
    with pytest.raises(Unclassified, match=why) as refused:
        masked(format_, *chunked(gzip.compress(body) if compressed else body, 50_000))
    assert CANARY.decode() not in "".join(traceback.format_exception(refused.value))
    assert refused.value.permanent


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (gzip.compress(b'{"n": 1}\n' * 1000, mtime=0)[:-9], "too early"),
        (gzip.compress(b"{}\n", mtime=0) + b"junk", "damaged"),
    ],
)
def test_gzip_that_breaks_off_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Unclassified, match=why):
        masked(Format.LINES, body)


def test_an_array_that_breaks_off_behind_a_block_is_refused_also_by_who_goes_on_there() -> None:
    body = b'[{"d": "%s", "n": 1},' % (b"x" * 64)
    found = MaskedBody(Format.ARRAY, MASK).blocks([b"[" + b" " * 64, body[1:]])
    block = next(found)
    while block.position.source_offset < len(body) + 64:
        block = next(found)
    for rest in (found, MaskedBody(Format.ARRAY, MASK, block.position).blocks([])):
        with pytest.raises(Unclassified, match="not closed"):
            next(rest)


def test_an_encoding_that_nobody_decodes_is_refused() -> None:
    with pytest.raises(Unclassified, match="only gzip"):
        list(MaskedBody(Format.LINES, MASK, content_encoding="br").blocks([b"{}"]))


def test_a_failure_to_read_the_source_is_not_taken_for_the_bodys() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"id": "a"}\n'
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blocks(Format.LINES, chunks())


@pytest.mark.parametrize(
    "changed",
    [
        {"offset": -1},
        {"offset": True},
        {"line": 0},
        {"line": "1"},
        {"state": "skip:1:0"},
        {"records": 1.5},
        {"begun": 1},
        {"compressed": None},
        {"columns": [-2]},
        {"columns": "12"},
        {"columns": [True]},
    ],
)
def test_what_is_no_position_is_refused(changed: dict[str, Any]) -> None:
    document = BodyPosition(Position(7, 2, "next:0:0"), 3, begun=True, columns=(0, -1)).document()
    assert BodyPosition.parse(document).document() == document
    for bad in (document | changed, {name: value for name, value in document.items() if name not in changed}, None):
        with pytest.raises(ValueError, match="not a position"):
            BodyPosition.parse(bad)


RECORDS = {
    Format.LINES: (b"", b'{"d": "%s", "id": "a"}\n', b""),
    Format.ARRAY: (b"[{}", b',{"d": "%s", "id": "a"}', b"]"),
    Format.CSV: (b"id,d\n", b"a,%s\n", b""),
}


def large(format_: Format, records: int) -> Iterator[bytes]:
    begin, record, end = RECORDS[format_]
    yield begin
    yield from repeat(record % (b"7" * (RECORD_BYTES // 2)), records)
    yield end
    yield from repeat((b" " * 1000 + b"\n") * 200, records // 10)


def packed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    yield from map(packer.compress, chunks)
    yield packer.flush()


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("compressed", [False, True])
def test_memory_does_not_grow_with_the_body(format_: Format, compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    chunks = large(format_, 300)
    tracemalloc.start()
    total = sum(len(block.data) for block in MaskedBody(format_, MASK).blocks(packed(chunks) if compressed else chunks))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total
    assert peak < 32 * 1024**2

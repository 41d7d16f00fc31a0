"""Records out of bytes: the same ones whatever the chunks, wherever it was gone on, in bounded memory."""

import csv
import io
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice, pairwise, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_files.decompression import CHUNK_BYTES, UnreadableError, gathered, gunzip
from record_files.splitting import (
    CUT_OFF,
    TOO_LONG,
    UNCLOSED,
    Format,
    Position,
    Raw,
    Splitter,
    SplitterError,
    splitter,
)

MOST = 40
"""A record's most bytes in these tests, so that records that are too long are short."""


def split(format_: Format, chunks: Iterable[bytes], at: Position | None = None, most: int = MOST) -> list[Raw]:
    splitting = splitter(format_, at, most=most)
    found = [raw for chunk in chunks for raw in splitting.feed(chunk)]
    return found + list(splitting.close())


def chunked(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


bits = st.sampled_from(
    [b"a", b"1", b'"', b"\\", b"[", b"]", b"{", b"}", b",", b"\n", b"\r\n", b" ", b"\xff", b"b" * 50]
)
soup = st.lists(bits, max_size=40).map(b"".join)
cuts = st.lists(st.integers(0, 10_000), max_size=6)


@given(data=soup, cuts=cuts, format_=st.sampled_from([Format.LINES, Format.CSV]))
def test_records_do_not_depend_on_where_the_chunks_end(data: bytes, cuts: list[int], format_: Format) -> None:
    # Where an unclosed quote is found out depends on how much is there behind it, so that rows get all the room.
    most = 10_000 if format_ is Format.CSV else MOST
    assert split(format_, chunked(data, cuts), most=most) == split(format_, [data], most=most)


def closed(splitting: Splitter) -> list[Raw]:
    found: list[Raw] = []
    with suppress(SplitterError):
        for raw in splitting.close():
            found.append(raw)  # noqa: PERF402 - what came before the error counts
    return found


def elements(data: bytes, chunks: Iterable[bytes]) -> tuple[list[Raw], str]:
    splitting = splitter(Format.ARRAY, most=MOST)
    found: list[Raw] = []
    try:
        for chunk in chunks:
            found += splitting.feed(chunk)
        found += splitting.close()
    except SplitterError as error:
        return found, str(error)
    return found, ""


@given(data=soup, cuts=cuts)
def test_an_arrays_elements_do_not_depend_on_where_the_chunks_end(data: bytes, cuts: list[int]) -> None:
    assert elements(b"", chunked(b"[" + data, cuts))[0] == elements(b"", [b"[" + data])[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(values=st.lists(json_values, max_size=8), cuts=cuts, indent=st.sampled_from([None, 1]), ascii_=st.booleans())
def test_an_array_is_what_json_reads_from_it(values: list[Any], cuts: list[int], indent: Any, ascii_: bool) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_).encode()
    found = split(Format.ARRAY, chunked(data, cuts), most=10_000)
    assert [json.loads(raw.data or b"") for raw in found] == values


@given(rows=st.lists(st.lists(st.text('a",\n\r é', max_size=6), min_size=2, max_size=4), max_size=6), cuts=cuts)
def test_rows_are_what_csv_reads(rows: list[list[str]], cuts: list[int]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    found = split(Format.CSV, chunked(text.getvalue().encode(), cuts), most=10_000)
    assert [next(csv.reader([(raw.data or b"").decode().removesuffix("\r")], strict=True)) for raw in found] == rows


@given(data=soup, cuts=cuts, format_=st.sampled_from(Format), stop=st.integers(0, 12))
def test_going_on_from_a_position_gives_what_came_after_it(
    data: bytes, cuts: list[int], format_: Format, stop: int
) -> None:
    if format_ is Format.ARRAY:
        data = b"[" + data.replace(b"]", b"}")
    most = 10_000 if format_ is Format.CSV else MOST
    splitting = splitter(format_, most=most)
    chunks = chunked(data, cuts)
    raws = (raw for chunk in chunks for raw in splitting.feed(chunk))
    list(islice(raws, stop))
    at = splitting.position
    after = list(raws)
    again = splitter(format_, at, most=most)
    assert [*again.feed(data[at.offset :]), *closed(again)] == [*after, *closed(splitting)]


def test_a_line_that_is_too_long_is_one_bad_record_and_the_next_is_read() -> None:
    data = b"short\n" + b"x" * 100 + b"\nnext\n"
    expected = [Raw(1, b"short"), Raw(2, None, TOO_LONG), Raw(3, b"next")]
    assert split(Format.LINES, [data]) == expected
    assert split(Format.LINES, chunked(data, range(0, 200, 7))) == expected


def test_an_element_that_is_too_long_is_one_bad_record_whatever_is_in_it() -> None:
    data = b'[1,\n{"a": "' + b'],[\\\\\\"' * 30 + b'"},\n2]'
    expected = [Raw(1, b"1"), Raw(2, None, TOO_LONG), Raw(3, b"2")]
    assert split(Format.ARRAY, [data]) == expected
    assert split(Format.ARRAY, chunked(data, range(0, 300, 3))) == expected


def test_a_quote_that_is_not_closed_costs_one_line() -> None:
    data = b'a,b\n"open,1\n' + b"c,d\n" * 20
    found = split(Format.CSV, [data])
    assert found[1] == Raw(2, None, UNCLOSED)
    assert [raw.data for raw in found[2:]] == [b"c,d"] * 20
    assert split(Format.CSV, [b'a,b\n"open,1\nc,d'])[1:] == [Raw(2, None, UNCLOSED), Raw(3, b"c,d")]


def test_a_quote_inside_a_cell_is_a_character_like_any_other() -> None:
    assert [raw.data for raw in split(Format.CSV, [b'a,5" disk\nb,6" disk\n'])] == [b'a,5" disk', b'b,6" disk']


def test_lines_are_counted_where_records_begin() -> None:
    assert [raw.line for raw in split(Format.LINES, [b"\n\na\r\n\r\nb"])] == [3, 5]
    assert [raw.line for raw in split(Format.ARRAY, [b"\n[\n1,\n\n2,3\n]"])] == [3, 5, 5]
    assert [raw.line for raw in split(Format.CSV, [b'"a\nb",c\nd,e\n'])] == [1, 3]


@pytest.mark.parametrize(("data", "found"), [(b"[]", []), (b" [ ] \n", []), (b"\xef\xbb\xbf[1]", [Raw(1, b"1")])])
def test_an_array_may_be_empty_and_have_space_and_a_mark_around_it(data: bytes, found: list[Raw]) -> None:
    assert split(Format.ARRAY, [data]) == found


@pytest.mark.parametrize(
    ("data", "records", "why"),
    [
        (b"[1, 2", [Raw(1, b"1"), Raw(1, None, CUT_OFF)], "not closed"),
        (b"[1] x", [Raw(1, b"1")], "follows the end"),
        (b"x", [], "not a JSON array"),
        (b"[1,", [Raw(1, b"1")], "not closed"),
    ],
)
def test_an_array_that_does_not_end_as_one_gives_what_it_has_and_says_why(
    data: bytes, records: list[Raw], why: str
) -> None:
    found, error = elements(data, [data])
    assert found == records
    assert why in error


def test_a_comma_too_many_is_a_bad_record() -> None:
    assert [raw.data for raw in split(Format.ARRAY, [b"[1,,2,]"])] == [b"1", b"", b"2", b""]


def half_a_gigabyte(begin: bytes) -> Iterator[bytes]:
    yield begin
    yield from repeat(b"x" * CHUNK_BYTES, 1024**3 // 2 // CHUNK_BYTES)


@pytest.mark.parametrize(
    ("format_", "begin", "end"),
    [(Format.LINES, b"", b"\nlast"), (Format.CSV, b'"', b"\nlast"), (Format.ARRAY, b'["', b'",last]')],
)
def test_a_record_of_half_a_gigabyte_needs_no_memory(format_: Format, begin: bytes, end: bytes) -> None:
    splitting = splitter(format_)
    tracemalloc.start()
    found = [raw for chunk in half_a_gigabyte(begin) for raw in splitting.feed(chunk)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Raw(1, None, TOO_LONG)]
    assert splitting.skipping
    assert [raw.data for raw in [*splitting.feed(end), *splitting.close()]] == [b"last"]
    assert peak < 8 * 1024**2


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=3), cuts=cuts, zeros=st.integers(0, 9))
def test_gzip_of_several_members_is_read_whole(parts: list[bytes], cuts: list[int], zeros: int) -> None:
    data = b"".join(map(gzip, parts)) + bytes(zeros)
    assert b"".join(gunzip(chunked(data, cuts))) == b"".join(parts)


def gunzipped(packed: bytes, **options: int) -> tuple[int, int, str]:
    """Return how many bytes came, the most at a time, and the error behind them."""
    total = largest = 0
    try:
        for out in gunzip([packed], **options):
            total, largest = total + len(out), max(largest, len(out))
    except UnreadableError as error:
        return total, largest, str(error)
    return total, largest, ""


def test_truncated_gzip_gives_what_can_be_had_and_then_says_so() -> None:
    data = bytes(range(256)) * 4000
    packed = gzip(data)
    total, _, error = gunzipped(packed[: len(packed) // 2])
    assert 0 < total < len(data)
    assert "ends too early" in error


def test_what_follows_gzip_and_is_not_gzip_is_said() -> None:
    with pytest.raises(UnreadableError, match="damaged"):
        list(gunzip([gzip(b"a") + b"junk"]))


def test_a_zip_bomb_is_read_in_small_chunks_and_up_to_the_limit() -> None:
    bomb = gzip(bytes(300 * 1024**2))
    tracemalloc.start()
    total, largest, error = gunzipped(bomb, most=100 * 1024**2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (total, error) == (100 * 1024**2, "the gzip stream gives more than 104857600 bytes")
    assert largest <= CHUNK_BYTES
    assert peak < 4 * 1024**2


def test_pieces_are_gathered_and_none_is_lost_to_an_error() -> None:
    data = bytes(range(256)) * 4000
    packed = b"".join(gzip(data[start : start + 100]) for start in range(0, len(data), 100))
    pieces: list[bytes] = []

    def take() -> None:
        for piece in gathered(gunzip([packed[:-30]])):
            pieces.append(piece)  # noqa: PERF402 - what came before the error counts

    with pytest.raises(UnreadableError, match="ends too early"):
        take()
    assert data.startswith(b"".join(pieces))
    assert len(data) - 200 < sum(map(len, pieces))
    assert all(len(piece) >= CHUNK_BYTES for piece in pieces[:-1])


def seconds(format_: Format, data: bytes) -> float:
    """Return the processor's time that splitting takes, at best."""

    def once() -> float:
        began = time.process_time()
        with suppress(SplitterError):
            split(format_, [data], most=1024**2)
        return time.process_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize(
    ("format_", "row"),
    [
        (Format.CSV, b'17,2" pipe,"steel\n'),
        (Format.CSV, b'"a""\n'),
        (Format.CSV, b'","\n'),
        (Format.CSV, b'a,"b\n'),
        (Format.CSV, b'"\n\n'),
        (Format.LINES, b"\n1\n"),
        (Format.ARRAY, b"1,"),
        (Format.ARRAY, b'"\\"'),
        (Format.ARRAY, b"[]]"),
    ],
)
def test_eight_times_as_many_rows_take_about_eight_times_as_long(format_: Format, row: bytes) -> None:
    begin = b"[" * (format_ is Format.ARRAY)
    small, large = (seconds(format_, begin + row * (size // len(row))) for size in (30_000, 240_000))
    assert large < 24 * small + 0.01  # 64 times, where each row looks at all those behind it


def test_each_row_whose_quoted_cell_no_line_behind_it_closes_costs_its_own_line() -> None:
    data = b'17,2" pipe,"steel\n' * 3 + b"c,d\ne,f"
    rows = [Raw(1, None, UNCLOSED), Raw(2, None, UNCLOSED), Raw(3, None, UNCLOSED), Raw(4, b"c,d"), Raw(5, b"e,f")]
    for cuts in (range(0), range(0, 70, 7)):
        assert split(Format.CSV, chunked(data, cuts), most=1024**2) == rows

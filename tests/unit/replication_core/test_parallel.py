"""Reading ahead and working in parallel, without holding all of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from replication_core.parallel import bounded_map, in_parallel


def test_all_sources_are_read_each_in_its_order() -> None:
    sources = [[(name, number) for number in range(50)] for name in "abcde"]
    taken = list(in_parallel(sources, threads=3, ahead=4))
    assert sorted(taken) == sorted(value for source in sources for value in source)
    for source in sources:
        assert [value for value in taken if value[0] == source[0][0]] == source


def test_sources_are_read_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def source() -> Iterator[int]:
        both.wait()  # is broken, and raises, unless two threads get here
        yield 1

    assert list(in_parallel([source(), source()], threads=2)) == [1, 1]


def test_no_more_is_read_than_may_be_ahead() -> None:
    read = []

    def source() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    values = in_parallel([source()], threads=1, ahead=5)
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    assert len(read) <= 3 + 5 + 1 + 1
    values.close()  # type: ignore[attr-defined] # it is a generator
    assert len(read) < 1000, "who stops taking stops the reading"


def test_what_a_source_raises_is_raised_where_it_is_taken() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(in_parallel([source(), iter(range(10_000))], threads=2))


def test_a_window_keeps_the_order_and_begins_no_more_than_it_holds() -> None:
    begun = []

    def values() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    with ThreadPoolExecutor(4) as executor:
        results = bounded_map(executor, lambda number: number * 2, values(), window=10)
        assert next(results) == 0
        assert len(begun) == 10
        assert list(results) == [number * 2 for number in range(1, 100)]


def test_an_error_stops_who_reads_ahead() -> None:
    def source() -> Iterator[int]:
        yield from range(10_000)

    def fail(_: int) -> int:
        raise ValueError("broken")

    with ThreadPoolExecutor(2) as executor:
        try:
            list(bounded_map(executor, fail, in_parallel([source()], threads=1, ahead=2), window=4))
        except ValueError:
            # Here, where the traceback keeps alive what it went through.
            left = [thread.name for thread in threading.enumerate() if thread.name.startswith("read")]
            assert left == []

"""Work on more than fits into memory, many pieces at a time: read ahead by so much and no further."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

__all__ = ["bounded_map", "in_parallel", "read_ahead"]

_GIVE_UP_SECONDS = 0.1

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def in_parallel(sources: Sequence[Iterable[T]], *, threads: int, ahead: int = 16) -> Iterator[T]:
    """Yield what the sources yield, each in its own order, so many of them read at the same time.

    At most `ahead` values, and one more per thread, are held. What a source raises is raised here. Who stops before
    the end closes the iterator, which stops the threads.
    """
    ready: Queue[T | _End] = Queue(ahead)
    over = threading.Event()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for source in sources:
            pool.submit(_read, source, ready, over)
        for _ in sources:
            while not isinstance(value := ready.get(), _End):
                yield value
            if value.error is not None:
                raise value.error
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)


def _read(source: Iterable[T], into: "Queue[T | _End]", over: threading.Event) -> None:
    try:
        if all(_put(value, into, over) for value in source):
            _put(_End(), into, over)
    except BaseException as error:  # noqa: BLE001 - it is raised where the values are taken
        _put(_End(error), into, over)
    finally:
        # Here, and not when it is forgotten: another source may wait for what this one has.
        if isinstance(source, Generator):
            source.close()


def _put(value: T | _End, into: "Queue[T | _End]", over: threading.Event) -> bool:
    while not over.is_set():
        try:
            into.put(value, timeout=_GIVE_UP_SECONDS)
        except Full:
            continue
        return True
    return False


def read_ahead(executor: Executor, values: Iterator[T]) -> Iterator[T]:
    """Yield what an iterator yields, none of which is None, and have the executor get the next one meanwhile."""
    coming = executor.submit(next, values, None)
    while (value := coming.result()) is not None:
        coming = executor.submit(next, values, None)
        yield value


def bounded_map(executor: Executor, function: Callable[[T], R], values: Iterable[T], *, window: int) -> Iterator[R]:
    """Map in the values' order by the executor, with at most `window` results begun and not taken."""
    pending: deque[Future[R]] = deque()
    try:
        for value in values:
            pending.append(executor.submit(function, value))
            if len(pending) >= window:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        # Else an error's traceback keeps a generator alive, and with it the threads that read for it.
        if isinstance(values, Generator):
            values.close()

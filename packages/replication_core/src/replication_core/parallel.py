"""Work on more than fits into memory, many pieces at a time: read ahead by so much and no further."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Full, Queue
from typing import Generic, TypeVar

__all__ = ["bounded_map", "in_parallel"]

_GIVE_UP_SECONDS = 0.1

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


class _Ahead(Generic[T]):
    """What several threads have read and nobody has taken yet, so much of it at most."""

    def __init__(self, most: int) -> None:
        self._ready: Queue[T | _End] = Queue(most)
        self._over = threading.Event()

    def read(self, source: Iterable[T]) -> None:
        try:
            for value in source:
                if not self._put(value):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised where the values are taken
            self._put(_End(error))
        else:
            self._put(_End())

    def _put(self, value: T | _End) -> bool:
        while not self._over.is_set():
            try:
                self._ready.put(value, timeout=_GIVE_UP_SECONDS)
            except Full:
                continue
            return True
        return False

    def take(self, sources: int) -> Iterator[T]:
        while sources:
            value = self._ready.get()
            if not isinstance(value, _End):
                yield value
            elif value.error is not None:
                raise value.error
            else:
                sources -= 1

    def stop(self) -> None:
        self._over.set()


def in_parallel(sources: Sequence[Iterable[T]], *, threads: int, ahead: int = 16) -> Iterator[T]:
    """Yield what the sources yield, each in its own order, so many of them read at the same time.

    At most `ahead` values, and one more per thread, are held. What a source raises is raised here. Who stops before
    the end closes the iterator, which stops the threads.
    """
    read_ahead: _Ahead[T] = _Ahead(ahead)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for source in sources:
            pool.submit(read_ahead.read, source)
        yield from read_ahead.take(len(sources))
    finally:
        read_ahead.stop()
        pool.shutdown(cancel_futures=True)


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

"""What goes into a call, and what is called again of it."""

from collections.abc import Callable, Mapping, Sequence

from replication_core.aws.errors import StoreError
from replication_core.batching import batches, thoroughly

THROTTLED = StoreError("Throttled", "later")
BAD = StoreError("Bad", "never", permanent=True)


def test_values_are_divided_by_number_and_none_is_lost() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches([], 2)) == []


def test_values_are_divided_by_size_and_a_large_one_is_alone() -> None:
    assert list(batches([3, 3, 4, 9, 1], 3, size_of=int, most_bytes=8)) == [[3, 3], [4], [9], [1]]


class Calls:
    """Answers each call as it is told, and keeps what was called and when there was a pause."""

    def __init__(self, answer: Callable[[Sequence[int]], Mapping[int, StoreError]]) -> None:
        self.answer = answer
        self.made: list[list[int]] = []
        self.pauses: list[float] = []

    def __call__(self, batch: Sequence[int]) -> Mapping[int, StoreError]:
        self.made.append(list(batch))
        return self.answer(batch)

    def errors(self, size: int, *pauses: float) -> dict[int, StoreError]:
        return thoroughly(range(size), self, pauses=pauses, pause=self.pauses.append)


def test_what_a_call_leaves_is_called_again_after_pauses_that_grow_only_while_nothing_is_taken() -> None:
    left = [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1], [0, 1], []]
    calls = Calls(lambda _: dict.fromkeys(left.pop(0), THROTTLED))
    assert calls.errors(4, 0.1, 0.2, 0.4) == {}
    assert [len(batch) for batch in calls.made] == [4, 4, 4, 2, 2]
    assert calls.pauses == [0.1, 0.2, 0.1, 0.1]


def test_what_is_left_at_the_end_has_the_last_error_and_what_is_bad_is_not_called_again() -> None:
    calls = Calls(lambda batch: {each: BAD if each == 0 else THROTTLED for each in batch if each < 2})
    assert calls.errors(4, 0.1) == {0: BAD, 1: THROTTLED}
    assert calls.made == [[0, 1, 2, 3], [1], [1]]
    assert calls.pauses == [0.1, 0.1]


def test_a_batch_that_is_refused_for_good_is_halved_until_what_is_bad_stands_alone() -> None:
    def refuse(batch: Sequence[int]) -> Mapping[int, StoreError]:
        if 2 in batch:
            raise BAD
        return {}

    calls = Calls(refuse)
    assert calls.errors(5) == {2: BAD}
    assert calls.made == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4]]


def test_a_batch_that_can_not_be_called_just_now_fails_as_a_whole() -> None:
    def refuse(_: Sequence[int]) -> Mapping[int, StoreError]:
        raise THROTTLED

    calls = Calls(refuse)
    assert calls.errors(2, 0.1) == {0: THROTTLED, 1: THROTTLED}
    assert calls.made == [[0, 1]]

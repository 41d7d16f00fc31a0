"""The exercise of a function's version: it reconciles samples of keys, and the replicas that it made are compared.

Where all is level, that makes the replicas what they are already.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby

from pipeline_ops.counts import counted
from pipeline_ops.routes.reconciliation import NoAnswerError, answers_of
from pipeline_ops.routes.route import THREADS, Route, SourceRoutes, explained, open_sides
from replication_core.batching import batches
from replication_core.changes import MOST_KEYS
from replication_core.comparing.findings import SUSPECT, Finding, Verdict
from replication_core.comparing.sample import drawn
from replication_core.comparing.second_look import look_again
from replication_core.comparing.sides import Sides
from replication_core.datasets import RecordKey

__all__ = ["Exercise", "Exercised", "mend"]

KEYS = 10
"""Of each dataset, at a time."""

MOST_BYTES = 16 * 1024**2
"""Of an object, which is copied again."""

_REASON = "exercise"


@dataclass(kw_only=True)
class Exercised:
    """What a version made of samples."""

    keys: dict[RecordKey, None] = field(default_factory=dict)
    """All that it was asked for, each once."""

    slowest_seconds: float = 0.0
    """The longest that a sample of a dataset took to be answered."""

    unanswered: list[str] = field(default_factory=list)
    """Why there was no answer, a sentence each."""

    refused: dict[RecordKey, str] = field(default_factory=dict)
    """Why it could not do what the version before it can."""

    wrong: dict[RecordKey, str] = field(default_factory=dict)
    """In what the replicas differ from their source after it has made them."""

    @property
    def faults(self) -> list[str]:
        """What speaks against the version, in words."""
        return [
            *self.unanswered,
            *_told(self.refused, "could not be reconciled"),
            *_told(self.wrong, "got a wrong replica", "got wrong replicas"),
        ]


def _told(why: dict[RecordKey, str], what: str, of_many: str | None = None) -> list[str]:
    examples = [f"{key}: {reason}" for key, reason in why.items()][:1]
    return [f"{counted(len(why), f'key {what}', f'keys {of_many or what}')}, such as {each}" for each in examples]


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """Has a version of a route's function reconcile samples of what the target gets."""

    replication: SourceRoutes
    route: Route
    version: str
    former: str | None
    """The version before it: what that one can't do either is no fault of this one. None where there was none."""

    answer_seconds: int
    """The longest that an answer may take."""

    chance: random.Random = field(default_factory=random.SystemRandom)
    clock: Callable[[], float] = time.monotonic

    def run(self, total: Exercised) -> None:
        """Have it reconcile some keys of each dataset, and add to the total what came of it, up to the first fault.

        Raises OperatorError where no sample can be drawn, and where the function can't be asked.
        """
        sides = open_sides(self.replication, self.route)
        for routed in self.route.spec.routed:
            with explained(f"No sample of {routed.dataset.name} can be drawn"):
                keys = drawn(sides, routed, KEYS, self.chance, most_bytes=MOST_BYTES)
            if keys:
                self._add(sides, keys, total)
            if total.faults:
                return

    def _add(self, sides: Sides, keys: Sequence[RecordKey], total: Exercised) -> None:
        total.keys |= dict.fromkeys(keys)
        begun = self.clock()
        try:
            failed = self._failed(keys, self.version)
            total.slowest_seconds = max(total.slowest_seconds, self.clock() - begun)
            total.refused |= self._refused(failed)
            total.wrong |= self._wrong(sides, [key for key in keys if key not in failed])
        except NoAnswerError as error:
            total.unanswered.append(str(error))

    def _failed(self, keys: Iterable[RecordKey], version: str) -> dict[RecordKey, str]:
        """Have a version reconcile keys of one dataset; return why it could not do it, for each of which that is so."""
        asked = list(keys)
        if not asked:
            return {}
        answers = answers_of(
            self.replication, self.route, asked, version=version, reason=_REASON, within=self.answer_seconds
        )
        failed = {answer.key: answer.why for answer in answers if answer.failed}
        done = {answer.key for answer in answers}
        why = {key: "there was no time for it" if str(key) not in done else failed.get(str(key)) for key in asked}
        return {key: reason for key, reason in why.items() if reason is not None}

    def _refused(self, failed: dict[RecordKey, str]) -> dict[RecordKey, str]:
        """Return what it can't do either when it is tried again, and the former version can."""
        again = self._failed(failed, self.version)
        also: dict[RecordKey, str] = {}
        if self.former is not None:
            with suppress(NoAnswerError):
                also = self._failed(again, self.former)
        return {key: why for key, why in again.items() if key not in also}

    def _wrong(self, sides: Sides, keys: Sequence[RecordKey]) -> dict[RecordKey, str]:
        """Return what differs from an unchanged source, after it was made anew where it did at first."""
        made = [Finding(key, Verdict.UNKNOWN) for key in keys]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="exercise") as executor:
            first = look_again(sides, executor, made, worked_off=True)
            suspects = [finding for finding in first if finding.verdict in SUSPECT]
            self._failed([finding.key for finding in suspects], self.version)
            again = list(look_again(sides, executor, suspects, worked_off=True))
        return {each.key: ", ".join((each.verdict, *each.what)) for each in again if each.verdict in SUSPECT}


def mend(replication: SourceRoutes, route: Route, keys: Iterable[RecordKey]) -> None:
    """Have the route's live function reconcile what another version was exercised with. Raises OperatorError."""
    for _, some in groupby(sorted(keys), key=lambda key: key.dataset):
        for batch in batches(some, MOST_KEYS):
            answers_of(replication, route, batch, reason=_REASON)

"""What a run leaves behind for its readers: its own summary, and the latest run's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor_lambda.files import FileBucket
from processor_lambda.settings import RESULTS_PREFIX
from replication_core.aws.errors import StoreError
from replication_core.objects.pinned import Gone

__all__ = ["FAILED", "RUN_SCHEMA", "SUCCEEDED", "Results", "Summary"]

RUN_SCHEMA = "pipeline.run/1"

SUCCEEDED = "succeeded"
FAILED = "failed"
"""A run's status."""

_OF_THE_TIME = frozenset(
    {"started_at", "finished_at", "duration_ms", "invocations", "written", "kept", "superseded", "rejected_key"}
)
"""What may differ when the same version is processed again: when that was, and what it found in the table."""

_TYPE = "application/json"
_TRIES = 10

Summary = Mapping[str, Any]


def _lasting(summary: Summary) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name not in _OF_THE_TIME}


def _says_no_less(found: Summary, summary: Summary) -> bool:
    """Tell whether it says the same, or that the same run succeeded, which somebody else may have seen to meanwhile."""
    return _lasting(found) == _lasting(summary) or (
        found.get("run") == summary["run"] and found.get("status") == SUCCEEDED != summary["status"]
    )


def _order(summary: Summary) -> tuple[str, str, str]:
    # ISO-8601 in UTC and of one width, so that text is in the order of time.
    return summary["last_modified"], summary["key"], summary["version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Writes summaries, so that whoever else does at the same time, or did before, neither wins nor loses by luck."""

    bucket: FileBucket
    environment: str

    @property
    def _folder(self) -> str:
        return f"{RESULTS_PREFIX}{self.environment}/"

    def key(self, run: str) -> str:
        """Return where a run's summary is."""
        return f"{self._folder}{run}.json"

    @property
    def latest_key(self) -> str:
        """Return where the latest run's summary is."""
        return f"{self._folder}latest.json"

    def unfinished(self, run: str) -> str:
        """Return the folder of what a run needs until it is finished."""
        return f"{self._folder}unfinished/{run}/"

    def find(self, run: str) -> Summary | None:
        """Return a run's summary, None where it has none."""
        return self._read(self.key(run))[0]

    def write(self, summary: Summary, *, again: bool = False) -> Summary:
        """Write a run's summary unless there is one that says the same, or no less; return what stands.

        With `again` it is written even then.
        """
        return self._settle(self.key(summary["run"]), summary, keep_later=False, again=again)

    def publish(self, summary: Summary, *, again: bool = False) -> None:
        """Make a run's summary the latest, unless that is of an input that came later.

        Inputs are in the order of their last modification, which S3 tells in whole seconds. Of two versions of a key in
        one second the current one came later; what is tied even so is in the order of key and version.
        """
        self._settle(self.latest_key, summary, keep_later=True, again=again)

    def _settle(self, key: str, summary: Summary, *, keep_later: bool, again: bool) -> Summary:
        body = json.dumps(summary, ensure_ascii=False).encode() + b"\n"
        for _ in range(_TRIES):
            found, etag = self._read(key)
            if found is not None:
                if keep_later and self._came_later(found, summary):
                    return found
                if not again and _says_no_less(found, summary):
                    return found
            if self.bucket.put_if(key, body, etag, content_type=_TYPE):
                return summary
        raise StoreError("Contended", f"PutObject: others keep writing {key}")

    def _came_later(self, found: Summary, summary: Summary) -> bool:
        one, other = _order(found), _order(summary)
        if one[:2] == other[:2] and one != other:
            # Asked after the latest was read: a version that is put meanwhile is published later, by its own run.
            current = self._current_version(summary["key"])
            if current in {found["version"], summary["version"]}:
                return bool(current == found["version"])
        return one > other

    def _current_version(self, key: str) -> str | None:
        try:
            return self.bucket.head(key).version
        except Gone:
            return None

    def _read(self, key: str) -> tuple[Summary | None, str | None]:
        body, etag = self.bucket.get(key) or (b"", None)
        try:
            found = json.loads(body)
            is_summary = all(isinstance(each, str) for each in _order(found))
        except (ValueError, KeyError, TypeError, RecursionError):
            is_summary = False
        return (found if is_summary else None), etag  # what is none is in the place of one, and gives way to it

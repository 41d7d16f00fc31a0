"""The refusal of what no rule covers."""

from replication_core.aws.errors import StoreError

__all__ = ["Unclassified"]


class Unclassified(StoreError):  # noqa: N818 - what the record is, as every envelope calls it
    """What a policy has no rule for, or can't be made by its rule: nothing is written, and no retry helps.

    It is built of the policy's own words and of numbers alone: never of a value, nor of a name that no rule says.
    `why` continues a sentence about the record. `record` and `line` are those of an object's body, from 1.
    """

    def __init__(self, why: str, *, path: str = "", policy_line: int = 0, record: int = 0, line: int = 0) -> None:
        places = (
            f"line {line}" if line else "",
            f"record {record}" if record else "",
            path,
            f"policy line {policy_line}" if policy_line else "",
        )
        place = ", ".join(filter(None, places))
        super().__init__("Unclassified", f"{place}: {why}" if place else why, permanent=True)
        self.why = why
        self.path = path
        self.policy_line = policy_line
        self.record = record
        self.line = line

    def at(self, *, path: str = "", policy_line: int = 0, record: int = 0, line: int = 0) -> "Unclassified":
        """Return it with the places that who raised it did not know."""
        return Unclassified(
            self.why,
            path=self.path or path,
            policy_line=self.policy_line or policy_line,
            record=self.record or record,
            line=self.line or line,
        )

"""The error of a call that failed."""

__all__ = ["StoreError"]


class StoreError(Exception):
    """A store's refusal or failure, in words that hold none of the data.

    `permanent` tells that the same call will fail again however often it is repeated.
    """

    def __init__(self, kind: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.permanent = permanent

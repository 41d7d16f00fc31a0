"""Counts of things as people write them."""

__all__ = ["counted"]


def counted(number: int, noun: str, of_many: str | None = None) -> str:
    """Return the number with its noun: `1 key`, `2,000 keys`; `of_many` where an s does not make the plural."""
    return f"{number:,} {noun if number == 1 else of_many or f'{noun}s'}"

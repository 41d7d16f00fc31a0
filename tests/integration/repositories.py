"""Copies of this repository, as far as a deployment reads it, whose configuration may be changed."""

from pathlib import Path

from tests.unmasked import unmask

__all__ = ["ROOT", "copied_repository", "disposable", "unmasked_repository"]

ROOT = Path(__file__).parents[2]


def copied_repository(folder: Path) -> Path:
    """A copy of what a deployment reads, whose configuration may be changed."""
    for name in ("packages", "requirements"):
        (folder / name).symlink_to(ROOT / name)
    for source in (*(ROOT / "projects").glob("*/*"), *(ROOT / "projects").glob("*/policies/*")):
        if source.is_file():
            copy = folder / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    return folder


def unmasked_repository(folder: Path) -> Path:
    """A copy whose routes copy as they are."""
    repository = copied_repository(folder)
    unmask(repository / "projects" / "replication" / "Pulumi.prod.yaml")
    return repository


def disposable(repository: Path) -> Path:
    """Have a copy's production not be protected, so that all of it can be destroyed; return the copy."""
    for production in repository.glob("projects/*/Pulumi.prod.yaml"):
        production.write_text(
            production.read_text()
            .replace("deletionProtection: true", "deletionProtection: false")
            .replace("forceDestroy: false", "forceDestroy: true")
        )
    return repository

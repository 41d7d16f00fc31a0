"""The archives of a project's functions as a checkout builds them, by their digests.

A release's notes name them, and its own code says them anew before it is deployed: `python -m
pipeline_ops.releases.archives <project>` in a checkout prints them as JSON.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from pipeline_common.infra.lambda_archive import ArchiveError, build
from pipeline_ops.errors import OperatorError
from pipeline_ops.releases.closure import Closure
from pipeline_ops.terminal import document

__all__ = ["archive_digests"]


def archive_digests(repository: Path, project: str) -> dict[str, str]:
    """Return the SHA-256 of each archive's files, by the package that it is built from.

    What stands beside the code there, such as a route's specification, tells of a deploy, and belongs to no release.
    Raises OperatorError where one can't be built.
    """
    digests = {}
    for function in Closure(repository, project).functions:
        with tempfile.TemporaryDirectory(prefix="pipeline-") as name:
            folder = Path(name) / function
            try:
                build(function, repository=repository, into=folder)
            except ArchiveError as error:
                raise OperatorError(str(error)) from error
            digests[function] = _digest(folder)
    return digests


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__":
    document(archive_digests(Path.cwd(), sys.argv[1]))

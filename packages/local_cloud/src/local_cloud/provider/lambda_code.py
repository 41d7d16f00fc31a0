"""A function's code as the bytes that Lambda is given."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from local_cloud.provider.resource import RefusedError
from local_cloud.provider.wire import Archive, Asset

__all__ = ["zipped"]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LARGEST_ZIP = 50 * 1024 * 1024
_LARGEST_UNZIPPED = 250 * 1024 * 1024

# The earliest that a zip can hold: a folder's times are not part of its content.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100000
_EXECUTABLE = 0o100

_File = tuple[PurePosixPath, bytes, bool]
"""A file's place in the code, its content, and whether it is executable."""


def zipped(archive: Archive) -> bytes:
    """Return the archive's zip; of anything but a zip file, always the same bytes for the same content.

    Raises RefusedError where a part is not there or is of no known kind, where two files have one name, and where the
    code is larger than Lambda takes.
    """
    what = f"the code {archive.path}" if archive.path else "the code"
    files: dict[str, _File] = {}
    size = 0
    for file in _files(archive, PurePosixPath()):
        place, content, _ = file
        if str(place) in files:
            raise RefusedError(f"{what} has two files named {place}")
        files[str(place)] = file
        size += len(content)
        _refuse_more_than(_LARGEST_UNZIPPED, size, what, "unzipped")
    given_as_zip = archive.path and Path(archive.path).is_file()
    code = Path(archive.path).read_bytes() if archive.path and given_as_zip else _zip(files)
    _refuse_more_than(_LARGEST_ZIP, len(code), what, "zipped")
    return code


def _files(part: Archive | Asset, place: PurePosixPath) -> Iterator[_File]:
    """Yield all files of the part, which itself has this place in the whole."""
    match part:
        case Archive(path=None, uri=None):
            for name, inner in (part.assets or {}).items():
                yield from _files(inner, place / name)
        case Archive(path=str(path)) if Path(path).is_dir():
            for file in Path(path).rglob("*"):
                if file.is_file():
                    yield _file(file, place / file.relative_to(path).as_posix())
        case Archive(path=str(path)):
            yield from _zip_files(Path(path), place)
        case Asset(path=str(path)):
            yield _file(Path(path), place)
        case Asset(uri=None):
            yield place, (part.text or "").encode(), False
        case _:
            raise RefusedError(f"the code's part {place} is at {part.uri}: the local stand-in downloads nothing")


def _file(path: Path, place: PurePosixPath) -> _File:
    if not path.is_file():
        raise RefusedError(f"the code {path} is not there")
    return place, path.read_bytes(), bool(path.stat().st_mode & _EXECUTABLE)


def _zip_files(path: Path, place: PurePosixPath) -> Iterator[_File]:
    _, content, _ = _file(path, place)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise RefusedError(f"the code {path} is neither a folder nor a .zip file") from error
    for each in archive.infolist():
        if not each.is_dir():
            yield place / each.filename, archive.read(each), bool(each.external_attr >> 16 & _EXECUTABLE)


def _zip(files: dict[str, _File]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (_, content, executable) in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (_REGULAR_FILE | (0o755 if executable else 0o644)) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _refuse_more_than(most: int, size: int, what: str, how: str) -> None:
    if size > most:
        raise RefusedError(f"{what} has {size} bytes {how}: Lambda takes at most {most}")

"""A function's code as the bytes that Lambda is given."""

import io
import zipfile
from pathlib import Path

from local_cloud.provider.resource import RefusedError
from local_cloud.provider.wire import Archive

__all__ = ["zipped"]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LARGEST_ZIP = 50 * 1024 * 1024
_LARGEST_UNZIPPED = 250 * 1024 * 1024

# The earliest that a zip can hold: a folder's times are not part of its content.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100000


def zipped(archive: Archive) -> bytes:
    """Return the archive's zip; of a folder, always the same bytes for the same content.

    Raises RefusedError where the path is neither a folder nor a file, or the code is larger than Lambda takes.
    """
    path = Path(archive.path or "")
    if path.is_dir():
        content = _zip_folder(path)
    elif path.is_file():
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            _refuse_more_than(_LARGEST_UNZIPPED, sum(each.file_size for each in file.infolist()), path, "unzipped")
    else:
        raise RefusedError(f"the code {archive.path} is not there")
    _refuse_more_than(_LARGEST_ZIP, len(content), path, "zipped")
    return content


def _zip_folder(folder: Path) -> bytes:
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    _refuse_more_than(_LARGEST_UNZIPPED, sum(each.stat().st_size for each in files), folder, "unzipped")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (_REGULAR_FILE | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _refuse_more_than(most: int, size: int, path: Path, how: str) -> None:
    if size > most:
        raise RefusedError(f"the code {path} has {size} bytes {how}: Lambda takes at most {most}")

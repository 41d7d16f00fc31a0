import io
import os
import zipfile
from pathlib import Path

import pytest

from local_cloud.provider.lambda_code import zipped
from local_cloud.provider.resource import RefusedError
from local_cloud.provider.wire import Archive


def _folder(path: Path) -> Path:
    (path / "package").mkdir(parents=True)
    (path / "package" / "handler.py").write_text("handle = print\n")
    (path / "run").write_text("#!/bin/sh\n")
    (path / "run").chmod(0o755)
    return path


def test_a_folder_gives_the_same_bytes_wherever_and_whenever_it_is_zipped(tmp_path: Path) -> None:
    one, other = _folder(tmp_path / "one"), _folder(tmp_path / "other")
    os.utime(other / "run", (0, 0))
    assert zipped(Archive(hash="1", path=str(one))) == zipped(Archive(hash="1", path=str(other)))


def test_a_folders_files_keep_their_place_and_whether_they_run(tmp_path: Path) -> None:
    content = zipped(Archive(hash="1", path=str(_folder(tmp_path / "code"))))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        modes = {each.filename: (each.external_attr >> 16) & 0o777 for each in file.infolist()}
    assert modes == {"package/handler.py": 0o644, "run": 0o755}


def test_a_zip_file_is_passed_on_as_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as file:
        file.writestr("handler.py", "")
    assert zipped(Archive(hash="1", path=str(tmp_path / "code.zip"))) == (tmp_path / "code.zip").read_bytes()


def test_code_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is not there"):
        zipped(Archive(hash="1", path=str(tmp_path / "missing")))


def test_code_larger_than_lambda_takes_is_refused(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    with (code / "large").open("wb") as file:
        file.truncate(250 * 1024 * 1024 + 1)
    with pytest.raises(RefusedError, match="Lambda takes at most"):
        zipped(Archive(hash="1", path=str(code)))

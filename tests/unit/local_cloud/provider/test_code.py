import io
import os
import zipfile
from pathlib import Path

import pytest

from local_cloud.provider.lambda_code import zipped
from local_cloud.provider.resource import RefusedError
from local_cloud.provider.wire import Archive, Asset


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


def _assembled(folder: Path) -> Archive:
    """An archive of a folder, a zip, a file and a text, each at a place of its own."""
    with zipfile.ZipFile(folder / "library.zip", "w") as file:
        file.writestr("library.py", "")
        file.writestr("data/", "")
        file.writestr("data/words", "a b")
    return Archive(
        hash="1",
        assets={
            "route.json": Asset(hash="2", text="{}"),
            "empty": Asset(hash="3"),
            "license": Asset(hash="4", path=str(folder / "run")),
            ".": Archive(hash="5", path=str(folder)),
            "lib": Archive(hash="6", assets={"inner": Archive(hash="7", path=str(folder / "library.zip"))}),
        },
    )


def test_an_archive_of_several_parts_holds_each_at_its_place(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "code")
    with zipfile.ZipFile(io.BytesIO(zipped(_assembled(folder)))) as file:
        content = {each: file.read(each).decode() for each in file.namelist() if each != "library.zip"}
        modes = {each.filename: (each.external_attr >> 16) & 0o777 for each in file.infolist()}
    assert content == {
        "empty": "",
        "lib/inner/data/words": "a b",
        "lib/inner/library.py": "",
        "license": "#!/bin/sh\n",
        "package/handler.py": "handle = print\n",
        "route.json": "{}",
        "run": "#!/bin/sh\n",
    }
    assert (modes["run"], modes["license"], modes["route.json"]) == (0o755, 0o755, 0o644)


def test_an_archive_of_several_parts_gives_the_same_bytes_in_whatever_order_they_are_named(tmp_path: Path) -> None:
    one = _assembled(_folder(tmp_path / "one"))
    turned = Archive(hash="1", assets=dict(sorted((one.assets or {}).items())))
    assert zipped(one) == zipped(turned)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"handler.py": Asset(hash="2", text="")}, r"two files named handler\.py"),
        ({"far": Asset(hash="2", uri="https://example.invalid/a")}, "downloads nothing"),
        ({"far": Archive(hash="2", uri="https://example.invalid/a.zip")}, "downloads nothing"),
        ({"lost": Asset(hash="2", path="/nowhere/file")}, "/nowhere/file is not there"),
        ({"tar": Archive(hash="2", path=__file__)}, r"neither a folder nor a \.zip file"),
    ],
)
def test_a_part_that_cannot_be_put_in_is_refused(tmp_path: Path, part: dict[str, Asset | Archive], reason: str) -> None:
    (tmp_path / "handler.py").write_text("")
    parts = {".": Archive(hash="1", path=str(tmp_path)), **part}
    with pytest.raises(RefusedError, match=reason):
        zipped(Archive(hash="0", assets=parts))


def test_code_larger_than_lambda_takes_is_refused(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    with (code / "large").open("wb") as file:
        file.truncate(250 * 1024 * 1024 + 1)
    with pytest.raises(RefusedError, match="Lambda takes at most"):
        zipped(Archive(hash="1", path=str(code)))

"""Getting the Pulumi CLI: from PATH, from the cache, as a release, or built; a server and scripts stand in."""

import hashlib
import io
import platform
import re
import socketserver
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest
from semver import Version

from pipeline_ops.errors import OperatorError
from pipeline_ops.go_program import BuildError, GoProgram, build_environment
from pipeline_ops.pulumi_cli import PULUMI_VERSION, ensure, obtain
from pipeline_ops.pulumi_cli.obtain import fits, version_of
from pipeline_ops.pulumi_cli.release import DIGESTS, ReleaseError, download, release_name

VERSION = Version(3, 259, 0)
CLI = f"#!/bin/sh\necho v{VERSION}\n"


def executable(path: Path, text: str = CLI) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "cache"


def unreachable(*_: object) -> None:
    raise ReleaseError("the release can't be downloaded")


def makes(log: list[str], kind: str, text: str = CLI) -> object:
    def make(_what: object, folder: Path, _on_progress: object) -> None:
        log.append(kind)
        executable(folder / "pulumi", text)

    return make


@pytest.mark.parametrize(
    ("version", "fit"),
    [("3.259.0", True), ("3.260.1", True), ("3.258.9", False), ("4.0.0", False), ("3.259.0-alpha.1", False)],
)
def test_the_pinned_version_and_later_ones_of_its_major_version_fit(version: str, fit: bool) -> None:
    assert fits(Version.parse(version)) is fit


def test_what_is_no_cli_has_no_version_and_does_not_fit(tmp_path: Path) -> None:
    assert version_of(tmp_path / "missing") is None
    assert version_of(executable(tmp_path / "other", "#!/bin/sh\necho hello\n")) is None
    assert not fits(None)


def test_the_version_is_the_same_in_the_sdk_the_requirements_and_the_go_module() -> None:
    root = Path(__file__).parents[3]
    module = (root / "packages/pipeline_ops/src/pipeline_ops/pulumi_cli/module/go.mod").read_text()
    pinned = re.search(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", module)
    assert pinned is not None
    assert pinned.group(1) == str(PULUMI_VERSION) == metadata.version("pulumi")
    assert f"pulumi=={PULUMI_VERSION}" in (root / "requirements/operators.txt").read_text()


def test_a_fitting_cli_on_path_is_used_and_nothing_is_cached(cache: Path, tmp_path: Path) -> None:
    on_path = executable(tmp_path / "bin" / "pulumi")
    assert ensure() == on_path
    assert not cache.exists()


def test_an_old_cli_on_path_is_passed_by(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "bin" / "pulumi", "#!/bin/sh\necho v3.100.0\n")
    log: list[str] = []
    monkeypatch.setattr(obtain, "download", makes(log, "download"))
    assert ensure() == cache / "pulumi" / "3.259.0" / "pulumi"
    assert log == ["download"]


def test_it_is_built_where_there_is_no_release_and_only_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(obtain, "download", unreachable)
    monkeypatch.setattr(GoProgram, "build", makes(log, "build"))
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: ensure(), range(4)))
    assert found == {cache / "pulumi" / "3.259.0" / "pulumi"}
    assert log == ["build"]


def test_neither_release_nor_build_is_one_sentence_with_both_reasons(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obtain, "download", unreachable)
    with pytest.raises(OperatorError, match=r"can't be downloaded.*Go is not on PATH") as info:
        ensure()
    assert len(str(info.value).splitlines()) == 1


def test_a_cli_that_does_not_run_here_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obtain, "download", makes([], "download", "#!/bin/sh\nexit 1\n"))
    with pytest.raises(OperatorError, match="does not run here"):
        ensure()
    assert not (cache / "pulumi" / "3.259.0").exists()


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "pulumi-v3.259.0-linux-x64.tar.gz"),
        ("Linux", "aarch64", "pulumi-v3.259.0-linux-arm64.tar.gz"),
        ("Darwin", "arm64", "pulumi-v3.259.0-darwin-arm64.tar.gz"),
    ],
)
def test_the_release_is_the_machines(system: str, machine: str, name: str) -> None:
    assert release_name(VERSION, system, machine) == name


def test_a_machine_that_has_no_release_is_said_so() -> None:
    with pytest.raises(ReleaseError, match="no release for Plan9 on mips"):
        release_name(VERSION, "Plan9", "mips")


class Server(ThreadingHTTPServer):
    """Serves a folder as a release site."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        self.base = f"http://127.0.0.1:{self.server_port}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "site"
    release = folder / f"v{VERSION}"
    release.mkdir(parents=True)
    name = release_name(VERSION, platform.system(), platform.machine())
    with tarfile.open(release / name, "w:gz") as archive:
        for file in ("pulumi", "pulumi-language-python"):
            member = tarfile.TarInfo(f"pulumi/{file}")
            member.size, member.mode = len(CLI), 0o755
            archive.addfile(member, io.BytesIO(CLI.encode()))
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.base, release / name
    server.shutdown()
    server.server_close()
    thread.join()


def digest_of(archive: Path) -> dict[str, str]:
    return {archive.name: hashlib.sha256(archive.read_bytes()).hexdigest()}


def test_a_release_that_is_what_its_digest_says_is_unpacked(site: tuple[str, Path], tmp_path: Path) -> None:
    base, archive = site
    folder = tmp_path / "here" / "3.259.0"
    folder.parent.mkdir()
    download(VERSION, folder, lambda _: None, base, digest_of(archive))
    assert version_of(folder / "pulumi") == VERSION
    assert [path.name for path in folder.parent.iterdir()] == ["3.259.0"]


def test_another_archive_is_refused_though_a_checksum_file_beside_it_agrees(
    site: tuple[str, Path], tmp_path: Path
) -> None:
    base, archive = site
    wanted = digest_of(archive)
    archive.write_bytes(archive.read_bytes() + b"another")
    (published,) = digest_of(archive).values()
    (archive.parent / f"pulumi-{VERSION}-checksums.txt").write_text(f"{published}  {archive.name}\n")
    folder = tmp_path / "here" / "3.259.0"
    folder.parent.mkdir()
    with pytest.raises(ReleaseError, match="not what its digest in this repository says"):
        download(VERSION, folder, lambda _: None, base, wanted)
    assert list(folder.parent.iterdir()) == []


def test_an_archive_without_a_digest_here_is_not_even_asked_for(site: tuple[str, Path], tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ReleaseError, match=r"no digest to check pulumi-v3\.260\.0-\S+ by"):
        download(Version(3, 260, 0), tmp_path / "folder", said.append, site[0])
    assert said == []


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_the_pinned_version_has_a_digest_for_each_platform(system: str, machine: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", DIGESTS[release_name(PULUMI_VERSION, system, machine)])
    assert len(set(DIGESTS.values())) == len(DIGESTS) == 4


def test_a_site_that_is_not_reachable_is_given_up_on(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="can't be downloaded"):
        download(VERSION, tmp_path / "folder", lambda _: None, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ns"]
)
def test_a_site_that_speaks_no_http_or_stops_midway_is_given_up_on(tmp_path: Path, said: bytes) -> None:
    class Says(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.wfile.write(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as site, ThreadPoolExecutor(1) as threads:
        threads.submit(site.serve_forever)
        try:
            with pytest.raises(ReleaseError, match="can't be downloaded"):
                download(VERSION, tmp_path / "folder", lambda _: None, f"http://127.0.0.1:{site.server_address[1]}")
        finally:
            site.shutdown()


GO = f"""#!{sys.executable}
import os, pathlib, sys
arguments = sys.argv[1:]
assert arguments[:3] == ["build", "-mod=readonly", "-trimpath"], arguments
assert os.environ["CGO_ENABLED"] == "0" and os.environ["GOFLAGS"] == "", os.environ
assert pathlib.Path("go.mod").exists() and pathlib.Path("go.sum").exists()
if OUTCOME == "fails":
    sys.exit("go: the proxy said no")
target = pathlib.Path(arguments[arguments.index("-o") + 1])
target.write_text("#!/bin/sh\\necho " + arguments[arguments.index("-ldflags") + 1].rpartition("=")[2] + "\\n")
target.chmod(0o755)
"""


def test_the_build_is_of_the_pinned_module_and_carries_its_version(cache: Path, tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "go", GO.replace("OUTCOME", '"works"'))
    folder = tmp_path / "here" / "3.259.0"
    folder.parent.mkdir()
    said: list[str] = []
    obtain.BUILT.build(folder, said.append)
    assert version_of(folder / "pulumi") == VERSION
    assert "about 6 minutes" in said[0]
    assert [path.name for path in folder.parent.iterdir()] == ["3.259.0"]


def test_a_build_that_fails_says_what_the_compiler_said_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "go", GO.replace("OUTCOME", '"fails"'))
    folder = tmp_path / "here" / "3.259.0"
    folder.parent.mkdir()
    with pytest.raises(BuildError, match="the proxy said no"):
        obtain.BUILT.build(folder, lambda _: None)
    assert list(folder.parent.iterdir()) == []


def test_the_users_own_build_settings_do_not_change_the_build_but_the_proxy_is_kept() -> None:
    environment = build_environment({"GOFLAGS": "-mod=mod", "GOOS": "plan9", "GOPROXY": "proxy", "CGO_ENABLED": "1"})
    assert environment == {"GOFLAGS": "", "GOPROXY": "proxy", "CGO_ENABLED": "0", "GOWORK": "off"}

"""The operator's interface and the tests': `nox -l` lists the sessions, `nox -s deploy -- storage dev` runs one.

Every session shares one environment, `.nox/workspace`, made from `requirements/operators.txt` and the packages of this
repository. It is made anew when either changes, in another checkout, and by another Python.
"""

import functools
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nox
from filelock import FileLock  # nox needs it too, by way of virtualenv
from nox.command import CommandFailed

nox.needs_version = ">=2026.10.20"

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements" / "operators.txt"
MEMBERS: list[str] = nox.project.load_toml(ROOT / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]
WORKSPACE = sorted(path.parent for pattern in MEMBERS for path in ROOT.glob(f"{pattern}/pyproject.toml"))
CHECKED = ["noxfile.py", "packages", "projects", "tests", "benchmarks"]
ENVIRONMENT = ROOT / ".nox" / "workspace"
BIN = ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin")

ON_EVERY_CORE = ("--numprocesses=auto", "--dist=loadfile")
"""A file's tests stay together, since they share what is made once for it."""

LOCALSTACK_PYTHON = "3.13"
"""Its packages can't be resolved for 3.14, and its source can't be read before 3.12."""

check = functools.partial(nox.session, venv_backend="none")
command = functools.partial(nox.session, venv_backend="none", default=False)


def run(session: nox.Session, *args: str) -> None:
    """Run a program of the shared environment; on Ctrl-C it gets the signal and all the time it needs to finish."""
    make_environment(session)
    session.run(
        str(BIN / args[0]), *args[1:], external=True, interrupt_timeout=None, terminate_timeout=None
    )  # nox gives a child 0.3 s by default: Pulumi has to finish the resource it is at and release its lock


def make_environment(session: nox.Session) -> None:
    """Make the shared environment, unless it holds just what is wanted already; who comes second waits."""
    wanted = wanted_environment()
    made = ENVIRONMENT / "made-from"
    if is_made(made, wanted):
        return
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with FileLock(f"{ENVIRONMENT}.lock"):
        if is_made(made, wanted):
            return
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        install_environment(session)
        made.write_text(wanted)


def wanted_environment() -> str:
    """Return what the environment is made from, as a digest.

    The place belongs to it, since the packages are installed editable: in a copied checkout the environment that came
    along would run the original's code. So does the Python, which the tests are to be run by.
    """
    sources = [LOCK, *(package / "pyproject.toml" for package in WORKSPACE)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    digest.update("\n".join((str(ENVIRONMENT), sys.version, sys.base_prefix)).encode())
    return digest.hexdigest()


def is_made(made: Path, wanted: str) -> bool:
    """Tell whether the environment was made to its end, and from just that."""
    return made.exists() and made.read_text() == wanted


def install_environment(session: nox.Session) -> None:
    """Install what the lock names, each checked against its hash, and this repository's packages as they stand here."""
    install = ("pip", "install", "--quiet", "--python", str(BIN / "python"))
    editable = [part for package in WORKSPACE for part in ("--editable", str(package))]
    uv(session, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT))
    # Compiled once, here: who has PYTHONDONTWRITEBYTECODE set would compile again in every process.
    uv(session, *install, "--require-hashes", "--compile-bytecode", "--requirement", str(LOCK))
    uv(session, *install, "--no-deps", "--no-build-isolation", *editable)


def uv(session: nox.Session, *args: str, env: Mapping[str, str] | None = None) -> None:
    """Run the uv that came with nox[uv], else the one on PATH."""
    if not nox.virtualenv.HAS_UV:
        session.error('There is no uv here, which every session needs: python3 -m pip install "nox[uv]"')
    session.run(nox.virtualenv.UV, *args, external=True, env=env)


def pytest(session: nox.Session, folder: str, *options: str) -> None:
    """Run a folder's tests, by these options, with the session's arguments, or just those that they name."""
    run(session, "pytest", *chosen(session, *options, folder))


def chosen(session: nox.Session, *targets: str, below: Path = ROOT / "tests") -> list[str]:
    """Return a checker's arguments: the session's, with the targets where they name no path below that folder."""
    return [*([] if named_paths(session.posargs, below) else targets), *session.posargs]


def named_paths(arguments: Sequence[str], below: Path) -> list[str]:
    """Return those of a checker's arguments that are a file, a folder or a test there; an option's value is none."""
    options = {"-k", "-m", "--deselect", "--ignore", "--ignore-glob", "--config", "--config-file", "--exclude"}
    named = [path for before, path in zip(["", *arguments], arguments, strict=False) if before not in options]
    return [path for path in named if not path.startswith("-") and is_below(path.partition("::")[0], below)]


def is_below(path: str, folder: Path) -> bool:
    """Tell whether something is there, in the folder or the folder itself."""
    place = Path(path).resolve()
    return place.exists() and place.is_relative_to(folder)


def operate(session: nox.Session, name: str) -> None:
    """Run the operator's command of that name with the session's arguments, and end with its exit code.

    Nox by itself ends with 1 whatever the code was, and misuse could not be told from failure.
    """
    try:
        run(session, "python", "-m", "pipeline_ops", name, *session.posargs)
    except CommandFailed as failed:
        sys.exit(failed.return_code or 1)


@check()
def lint(session: nox.Session) -> None:
    """Check style and formatting: [-- <path>... | <option of ruff check>...]."""
    run(session, "ruff", "check", *chosen(session, ".", below=ROOT))
    run(session, "ruff", "format", "--check", *(named_paths(session.posargs, ROOT) or ["."]))


@check()
def types(session: nox.Session) -> None:
    """Check types, strictly: [-- <path>... | <mypy's>]."""
    run(session, "mypy", *chosen(session, *CHECKED, below=ROOT))


@check()
def workflows(session: nox.Session) -> None:
    """Check GitHub's workflows, without asking GitHub: [-- <zizmor's options>]."""
    run(session, "zizmor", "--offline", "--no-progress", *session.posargs, ".github")
    run(session, "python", "-m", "tests.workflows")


@check()
def unit(session: nox.Session) -> None:
    """Test each package by itself, on every core."""
    pytest(session, "tests/unit", *ON_EVERY_CORE)


@check()
def infra(session: nox.Session) -> None:
    """Test what the projects declare, with the engine mocked, on every core."""
    pytest(session, "tests/infra", *ON_EVERY_CORE)


@check()
def integration(session: nox.Session) -> None:
    """Test the system as the real engine deploys it into local clouds, on every core: [-- --endpoint URL]."""
    pytest(session, "tests/integration", *ON_EVERY_CORE)


@nox.session(python=LOCALSTACK_PYTHON, venv_backend="uv", reuse_venv=True, default=False)
def localstack(session: nox.Session) -> None:
    """Run the integration tests on a LocalStack of their own, as far as it goes without Docker: [-- <pytest's>]."""
    session.install("--quiet", "--require-hashes", "--requirement", str(LOCK.with_name("localstack.txt")))
    session.install("--quiet", "--no-deps", "--editable", str(ROOT / "tests" / "localstack"))
    python = str(Path(session.bin) / "python")
    run(session, "python", "-m", "tests.localstack", python, *chosen(session, "tests/integration"))


@command()
def tests(session: nox.Session) -> None:
    """Run the unit, infra and integration tests in one go."""
    pytest(session, "tests")


COMMANDS = {
    "deploy": "Deploy a stack: -- <project>|all <environment> [--routes TARGETS] [--progressive] [--release TAG].",
    "preview": "Say what a deploy would change: -- <project>|all <environment> [--routes TARGETS].",
    "review": "Preview what a branch's changed projects would change: -- <project>|all <environment> [--since COMMIT].",
    "drift": "Say what others changed of what is deployed: -- <project>|all <environment> [--markdown FILE].",
    "comment": "Show a report as a pull request's one comment, in a workflow: -- <number> <title> <file>.",
    "issue": "Keep an issue open while a report says something, in a workflow: -- <title> <file>.",
    "refresh": "Compare a stack's state with what is really there: -- <project>|all <environment>.",
    "destroy": "Remove all that a stack has made: -- <project>|all <environment>.",
    "instances": "List the instances of environments, with their age: [-- --prune 3d].",
    "history": "Show what was deployed to a stack, and what came of it: -- <project> <environment> [--json].",
    "outputs": "Print a stack's outputs: -- <project> <environment> [--json].",
    "unlock": "Remove the lock of a run that no longer runs: -- <project> <environment>.",
    "release": "Make the next release of a project, and tag it: -- <project> [--bump major|minor|patch].",
    "process": "Process one object by hand, and say what came of it: -- <environment> <key> [--local].",
    "status": "Say what each route of the replication does just now: [-- <target>] [--watch]; 1 if one is not well.",
    "verify": "Compare a target's replicas with production: -- <target> [--objects PREFIX] [--items] [--repair].",
    "backfill": "Replicate what is in production already: -- <target> [--objects PREFIX] [--items] [--since TIME].",
    "pause": "Stop a route; its changes wait in its queue: -- <target>.",
    "resume": "Start a paused route again: -- <target>. --deletes lets through what its brake holds.",
    "rollback": "Put a route back to a former version of its function: -- <target> [<version>|<release>].",
    "replicate": "Reconcile one record now: -- <target> <key> | <id> <timestamp> | <dataset> <key>.",
    "mask": "Masking: -- check | diff | discover | preview | shadow | apply | report; -h after one explains it.",
    "redrive": "Send an environment's dead letters back: [-- <environment>] [--route TARGET] [--reason R] [--list].",
    "local": "Bring the whole system up on this machine, until Ctrl-C: [-- --detach | --stop].",
    "demo": "Deploy everything on this machine, change production's data and show it arrive.",
}
"""The operator's commands by their names, each with its line of `nox -l`."""

for _name, _line in COMMANDS.items():
    _session = functools.partial(operate, name=_name)
    _session.__doc__ = _line
    command(name=_name)(_session)


@command()
def bench(session: nox.Session) -> None:
    """Measure the replicator beside the obvious sequential design, and verify beside rclone: [-- beside-rclone]."""
    run(session, "python", "-m", "benchmarks", *session.posargs)


def resolved_for(requirements: Path) -> tuple[str, ...]:
    """Return uv's options for the Pythons that the file is for: all from the oldest on, but for LocalStack's."""
    if requirements.stem == "localstack":
        return ("--python-version", LOCALSTACK_PYTHON)
    return ("--universal", "--python-version", "3.11")


@command()
def lock(session: nox.Session) -> None:
    """Compile the requirement files anew, with hashes: [-- --upgrade]."""
    for source in sorted((ROOT / "requirements").glob("*.in")):
        uv(
            session,
            *("pip", "compile", "--quiet", *resolved_for(source), "--generate-hashes"),
            *("--no-annotate", "--output-file", str(source.with_suffix(".txt")), str(source)),
            *session.posargs,
            # Dependabot compiles by itself, for every platform only where it finds the option in the file.
            env={"UV_CUSTOM_COMPILE_COMMAND": f"nox -s lock ({' '.join(('uv pip compile', *resolved_for(source)))})"},
        )

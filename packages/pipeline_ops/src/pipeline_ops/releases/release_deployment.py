"""The deployment of a release: by the release's own code, lock and settings, from a worktree of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline_common.release import Release
from pipeline_ops.account import caller, check_account
from pipeline_ops.checkout import open_projects, state_of
from pipeline_ops.confirmation import confirm, must_be_confirmed, require_terminal
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.history import UNMASKED, DeployRecord
from pipeline_ops.masking.way_back import require_masking_release
from pipeline_ops.private_files import LOCAL_FOLDER, local_folder
from pipeline_ops.projects import Projects
from pipeline_ops.releases.git import Git
from pipeline_ops.releases.notes import CHANGELOG, archives_noted
from pipeline_ops.releases.worktree import release_worktree
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state import prepared_aws_backend
from pipeline_ops.terminal import ask, at_terminal, tell
from pipeline_ops.where import Where

__all__ = ["deploy_release"]

_ARCHIVES = Path("packages/pipeline_ops/src/pipeline_ops/releases/archives.py")
"""The module by which a release says its archives' digests; one that is older than releases has none."""

Say = Callable[[str], None]

_ENDS_HOLDS = "--end-holds"
_TAIL_LINES = 15
_TAGS_TOLD = 5


@dataclass(frozen=True)
class ReleasedCode:
    """A release's checkout, with the environment that its own lock describes."""

    folder: Path

    def prepare(self) -> str:
        """Make the environment unless it is there; return what the release's own `deploy` says of its options."""
        nox = (sys.executable, "-m", "nox", "--noxfile", str(self.folder / "noxfile.py"))
        return self._said((*nox, "--session", "deploy", "--", "--help"))

    def archives(self, project: str) -> dict[str, str] | None:
        """Return the digests of the archives that the release's code builds; None where it does not know them."""
        if not (self.folder / _ARCHIVES).is_file():
            return None
        said = self._said((str(self._python), "-m", "pipeline_ops.releases.archives", project))
        digests: dict[str, str] = json.loads(said)
        return digests

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run an operator's command of the release, on this terminal, and return its exit code."""
        arguments = (str(self._python), "-m", "pipeline_ops", *command)
        process = subprocess.Popen(arguments, cwd=self.folder, env=environment)  # noqa: S603 - no shell
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the release's own command has heard of it too, and ends in its own way
                continue

    @property
    def _python(self) -> Path:
        scripts = "Scripts" if sys.platform == "win32" else "bin"
        return self.folder / ".nox" / "workspace" / scripts / "python"

    def _said(self, command: Sequence[str]) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            tail = (done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:]
            raise OperatorError(f"The release's own code in {self.folder} could not be run:", details=tail)
        return done.stdout


def deploy_release(
    tag: str,
    project: str,
    environment: str,
    where: Where,
    as_json: bool,
    *,
    yes: bool,
    rollout: Sequence[str],
    config_here: bool,
    unmasked: str | None = None,
) -> None:
    """Deploy a project's stack as a tag has it, from a worktree, and end with the exit code of the release's command.

    Where that ends a route's masking, `unmasked` has to say why.

    The settings are the tag's, or, with `config_here`, those of this checkout; the state is this checkout's. Of a stack
    with routes, all of them go to the release, or as the options of `rollout` have it; held ones too, since somebody
    asks for the release by name.
    """
    release = _release(tag, project)
    projects = open_projects(where)
    git = Git(projects.repository)
    commit = _commit(git, release)
    with release_worktree(git, commit) as folder:
        (folder / LOCAL_FOLDER).symlink_to(local_folder(projects.repository), target_is_directory=True)
        if config_here:
            _lay_settings_over(projects.repository, folder)
        _require_masking(projects, folder, release, environment, rollout, unmasked)
        _agree(Projects(folder, projects.where), release, commit, environment, yes=yes)
        say = _teller(as_json)
        say(f"{release} is deployed by its own code, of the commit {commit[:7]} in {folder}.")
        code = ReleasedCode(folder)
        options = _options(release, code.prepare(), rollout)
        _check_archives(folder, release, code.archives(project), say)
        command = ["deploy", project, environment, "--yes", *options, *where.options]
        command += ["--provider", where.provider] if where.provider else []
        if unmasked is not None:
            _record_unmasked(projects, release, environment, rollout, unmasked)
        exit_code = code.run([*command, *(["--json"] if as_json else [])], _environment(projects, say))
    if exit_code:
        sys.exit(exit_code)


def _release(tag: str, project: str) -> Release:
    try:
        release = Release.parse(tag)
    except ValueError as error:
        raise OperatorError(f"--release: {error}.", MISUSED) from error
    if release.project != project:
        raise OperatorError(f"{release} is a release of {release.project}, and not of {project}.", MISUSED)
    return release


def _commit(git: Git, release: Release) -> str:
    if not git.succeeds("rev-parse", "--verify", "--quiet", f"refs/tags/{release}^{{commit}}"):
        git("rev-parse", "--git-dir")  # which says why, where there is no git or no repository
        newest = ("for-each-ref", f"--count={_TAGS_TOLD}", "--sort=-version:refname", "--format=%(refname:lstrip=2)")
        tags = git(*newest, f"refs/tags/{release.project}/").split()
        raise OperatorError(
            f"There is no tag {release} here{', the newest are ' if tags else ''}{', '.join(tags)}: `git fetch --tags` "
            "gets those that others have made."
        )
    return git("rev-parse", f"refs/tags/{release}^{{commit}}")


def _lay_settings_over(repository: Path, folder: Path) -> None:
    """Have the worktree's settings be this checkout's, and no more of them than this checkout has."""
    for path in folder.glob("projects/*/Pulumi.*.yaml"):
        path.unlink()
    for path in repository.glob("projects/*/Pulumi.*.yaml"):
        if (folder / path.relative_to(repository)).parent.is_dir():
            shutil.copyfile(path, folder / path.relative_to(repository))


def _require_masking(
    projects: Projects, folder: Path, release: Release, environment: str, rollout: Sequence[str], unmasked: str | None
) -> None:
    """Raise OperatorError where a route masks, and the release in that folder does not."""
    stack = projects.stack(release.project, environment)
    backend = state_of(projects)
    exported = StackOutputs(projects, backend).find(stack) if backend else None
    settings = folder / "projects" / stack.project / stack.settings_file
    require_masking_release(str(release), folder, settings, exported or {}, _routes(rollout), unmasked)


def _routes(rollout: Sequence[str]) -> tuple[str, ...]:
    routes = rollout[rollout.index("--routes") + 1].split(",") if "--routes" in rollout else ()
    return tuple(name.strip() for name in routes)


def _record_unmasked(
    projects: Projects, release: Release, environment: str, rollout: Sequence[str], reason: str
) -> None:
    """Write into the history why a release may mask nothing: its own code, which may know of none of that, does not."""
    system, stack = deployed_system(projects), projects.stack(release.project, environment)
    system.history(stack).append(
        DeployRecord(
            what=UNMASKED,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            who=caller(system.client, projects.region),
            release=str(release.version),
            routes=_routes(rollout),
            said=reason,
        )
    )


def _agree(projects: Projects, release: Release, commit: str, environment: str, *, yes: bool) -> None:
    """Ask what a deploy asks, and refuse what it refuses, before the release's code is made ready."""
    stack = projects.stack(release.project, environment)
    is_local = projects.where.is_local
    asks = not yes and must_be_confirmed("deploy", stack, projects)
    if asks:
        require_terminal(str(stack), interactive=at_terminal())
    account = None if is_local else check_account(stack, projects.settings(stack))
    if asks:
        question = f"This is to deploy {release} ({commit[:7]}) as {stack} in AWS account {account}."
        confirm(f"{release.project}/{environment}", question, ask=ask)


def _options(release: Release, known: str, rollout: Sequence[str]) -> list[str]:
    """Return the options on routes, which the release's own command has to know."""
    for option in rollout:
        if option.startswith("--") and option not in known:
            raise OperatorError(f"{release} is older than {option}: deploy it without, to all routes at once.", MISUSED)
    return [*([_ENDS_HOLDS] if _ENDS_HOLDS in known else []), *rollout]


def _check_archives(folder: Path, release: Release, built: Mapping[str, str] | None, say: Say) -> None:
    """Raise OperatorError unless the archives are those that the notes in the release's own changelog name.

    The tag has them too, but not in every clone: some tools fetch a tag as the commit that it is of.
    """
    if built is None:
        say(f"{release} is older than releases' notes: nobody knows which archives it had.")
        return
    changelog = folder / CHANGELOG
    noted = archives_noted(changelog.read_text("utf-8") if changelog.is_file() else "", release)
    for name, digest in built.items():
        if name not in noted:
            raise OperatorError(
                f"{release} was not made by the release command: the {CHANGELOG} of its commit does not name the "
                f"archive of {name}. Nothing was changed."
            )
        if noted[name] != digest:
            raise OperatorError(
                f"The archive of {name} is not the one that {release} had: it is sha256:{digest}, and the notes say "
                f"sha256:{noted[name]}. Nothing was changed."
            )


def _environment(projects: Projects, say: Say) -> dict[str, str]:
    """Return this process's environment, with the state where this checkout's is."""
    if projects.where.is_local:
        return dict(os.environ)
    backend = prepared_aws_backend(projects.repository, os.environ)
    if backend.notice:
        say(backend.notice)
    return {**os.environ, "PULUMI_BACKEND_URL": backend.url}


def _teller(as_json: bool) -> Say:
    return lambda line: tell(line, err=as_json)

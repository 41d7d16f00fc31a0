"""`release`: the version, the notes and the tag of a project's next release."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline_common.contracts import TOLD
from pipeline_common.release import NEVER_RELEASED, Release
from pipeline_ops.checkout import open_projects
from pipeline_ops.confirmation import confirm, require_terminal
from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.projects import DEPENDENCIES
from pipeline_ops.releases.archives import archive_digests
from pipeline_ops.releases.closure import Closure
from pipeline_ops.releases.contract_changes import CONTRACTS_SOURCE, ContractChange
from pipeline_ops.releases.git import Git
from pipeline_ops.releases.notes import CHANGELOG, Bump, ReleaseNotes, proposed_bump, with_notes
from pipeline_ops.releases.versions import Commit, commits_since, last_release
from pipeline_ops.releases.worktree import fleeting_worktree
from pipeline_ops.terminal import ask, at_terminal, document, tell

__all__ = ["release"]

_MAIN = ("refs/remotes/origin/main", "refs/heads/main")
"""Where releases are made of: the branch as the team has it, or, without a remote, as it is here."""


def release(project: str, bump: str | None, yes: bool, as_json: bool) -> None:
    """Make the next release of a project, unless nothing of it has changed since the last one."""
    projects = open_projects()
    if project not in projects.names:
        raise OperatorError(f"There is no project {project}: name one of {', '.join(projects.names)}.", MISUSED)
    git = Git(projects.repository)
    require_releasable(git)
    last = last_release(git, project)
    commits = commits_since(git, last, Closure(projects.repository, project).paths)
    if not commits:
        _say(as_json, f"Nothing that {project} is made of has changed since {last}: there is nothing to release.")
        if as_json:
            document({"released": False, "former": str(last), "commits": []})
        return
    proposed, notes = _proposal(git, last, project, commits, bump)
    tag = str(notes.release)
    other = f"; --bump makes it a {bump} one" if bump not in {None, proposed.part} else ""
    if git.succeeds("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
        raise OperatorError(f"{tag} is the tag of a commit that is not in this history: raise another part by --bump.")
    _say(as_json, *notes.text.splitlines(), "", f"Proposed is a {proposed.part} release, since {proposed.why}{other}.")
    if not yes:
        require_terminal(tag, interactive=at_terminal())
        confirm(tag, f"This is to commit {CHANGELOG} and to tag that commit.", ask=ask)
    _record(git, notes)
    commit = git("rev-parse", "HEAD")
    publish = "git push --atomic --follow-tags origin HEAD:main"
    _say(as_json, f"{tag} is {commit[:7]}. It is here alone until you publish it: `{publish}`.")
    if as_json:
        document(_document(notes, commit, proposed))


def require_releasable(git: Git) -> None:
    """Raise OperatorError where the current commit can't become a release; nothing is changed.

    The notes are committed on top of it, and the tag is of that commit: it has to be main's newest, or to have nothing
    more than main but other releases' notes, which were not pushed yet.
    """
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise OperatorError("This clone has a part of the history alone: `git fetch --unshallow --tags` first.")
    if git("status", "--porcelain"):
        raise OperatorError("A release is of a commit, and some changes here are not committed: see `git status`.")
    main = next((name for name in _MAIN if git.succeeds("rev-parse", "--verify", "--quiet", name)), None)
    if main is None:
        raise OperatorError("There is no branch main, which releases are made of.")
    if git.succeeds("merge-base", "--is-ancestor", "HEAD", main):
        if more := int(git("rev-list", "--count", f"HEAD..{main}")):
            raise OperatorError(f"main has {counted(more, 'commit')} more than this checkout: `git pull` first.")
    elif not git.succeeds("merge-base", "--is-ancestor", main, "HEAD") or git.paths(
        "diff", "--name-only", main, "HEAD"
    ) != [CHANGELOG]:
        name = main.split("/", 2)[2]
        raise OperatorError(f"The current commit is not on {name}, which releases are made of: push or merge it first.")


def _proposal(
    git: Git, last: Release | None, project: str, commits: Sequence[Commit], bump: str | None
) -> tuple[Bump, ReleaseNotes]:
    """Return what the changes ask for, and the notes of the release that raises that, or the part that `bump` names."""
    former = last.version if last else None
    change = _contract_change(git, last, project)
    proposed = proposed_bump(project, former, commits, change)
    return proposed, ReleaseNotes(
        release=Release(project, (former or NEVER_RELEASED).bumped(bump or proposed.part)),
        former=former,
        on=datetime.now(UTC).date(),
        commits=commits,
        contract=change,
        needs={other: _newly_read(git, last, other) for other in DEPENDENCIES[project]},
        archives=_archives(git, project),
    )


def _contract_change(git: Git, last: Release | None, project: str) -> ContractChange:
    if last is None:
        return ContractChange()
    former, present = (git("show", f"{commit}:./{CONTRACTS_SOURCE}") for commit in (f"refs/tags/{last}", "HEAD"))
    return ContractChange.between(former, present, project)


def _newly_read(git: Git, last: Release | None, other: str) -> list[str]:
    """Return the outputs of another project that its readers need to be there, and the last release did not know."""
    return [name for name in _contract_change(git, last, other).new if name not in TOLD]


def _archives(git: Git, project: str) -> dict[str, str]:
    # Of the commit, and not of this folder: what git ignores here would be in the archive.
    with fleeting_worktree(git, "HEAD") as folder:
        return archive_digests(folder, project)


def _record(git: Git, notes: ReleaseNotes) -> None:
    """Commit the notes and tag the commit, or leave everything as it was."""
    former = git("rev-parse", "HEAD")
    changelog = git.repository / CHANGELOG
    try:
        changelog.write_text(with_notes(changelog.read_text("utf-8") if changelog.exists() else "", notes), "utf-8")
        git("add", "--", CHANGELOG)
        message = f"{notes.release.project}: release {notes.release.version}"
        git("commit", "--quiet", "--allow-empty", "--message", message)
        git("tag", "--annotate", "--cleanup=verbatim", "--file=-", str(notes.release), told=notes.text)
    except BaseException:
        git("reset", "--quiet", "--hard", former)  # which loses nothing: there was no change
        raise


def _document(notes: ReleaseNotes, commit: str, proposed: Bump) -> dict[str, Any]:
    return {
        "released": True,
        "release": str(notes.release),
        "version": str(notes.release.version),
        "commit": commit,
        "former": notes.former and str(notes.former),
        "proposed": proposed.part,
        "why": proposed.why,
        "commits": [{"commit": each.hash, "subject": each.subject} for each in notes.commits],
        "archives": dict(notes.archives),
        "notes": notes.text,
    }


def _say(as_json: bool, *lines: str) -> None:
    tell(*lines, err=as_json)

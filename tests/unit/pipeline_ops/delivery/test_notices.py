"""`comment` and `issue`, against a GitHub of the test's own: shown once, brought up to date, nobody else's touched."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from pipeline_ops import cli
from pipeline_ops.delivery.github import MOST_CHARACTERS
from pipeline_ops.delivery.markdown import cut

BOT = {"type": "Bot"}
PERSON = {"type": "User"}


class GitHubServer(ThreadingHTTPServer):
    """Keeps comments and issues of the repository `example/pipeline`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.refuses = False


class _Handler(BaseHTTPRequestHandler):
    server: GitHubServer

    def do_GET(self) -> None:
        place, query = self._place(), parse_qs(urlsplit(self.path).query)
        kept = self.server.comments if place == "issues/7/comments" else self.server.issues
        wanted = [one for one in kept if "state" not in query or one["state"] == query["state"][0]]
        first = (int(query["page"][0]) - 1) * int(query["per_page"][0])
        self._answer(wanted[first : first + int(query["per_page"][0])])

    def do_POST(self) -> None:
        kept = self.server.comments if self._place() == "issues/7/comments" else self.server.issues
        made = {**self._document(), "user": BOT, "id": len(kept) + 1, "number": len(kept) + 1, "state": "open"}
        kept.append(made)
        self._answer(made)

    def do_PATCH(self) -> None:
        *_, kind, number = self._place().split("/")
        kept = self.server.comments if kind == "comments" else self.server.issues
        kept[int(number) - 1] |= self._document()
        self._answer({})

    def log_message(self, *_: Any) -> None:
        pass

    def _place(self) -> str:
        self.server.tokens.add(str(self.headers["Authorization"]))
        return urlsplit(self.path).path.removeprefix("/repos/example/pipeline/")

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return document

    def _answer(self, document: Any) -> None:
        self.send_response(403 if self.server.refuses else 200)
        self.end_headers()
        told = {"message": "Resource not accessible by integration"} if self.server.refuses else document
        self.wfile.write(json.dumps(told).encode())


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    server = GitHubServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "example/pipeline")
    monkeypatch.setenv("GITHUB_TOKEN", "of the workflow")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def run(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(cli.cli, list(arguments))
    return answer.exit_code, answer.output


def written(text: str, name: str = "report.md") -> str:
    Path(name).write_text(text)
    return name


def test_a_pull_request_has_one_comment_which_says_what_the_last_run_said(github: GitHubServer) -> None:
    github.comments.append({"id": 1, "user": PERSON, "body": "Nice"})
    assert run("comment", "7", "Preview", written("first"))[0] == 0
    assert run("comment", "7", "Preview", written("second"))[0] == 0
    assert [one["body"] for one in github.comments] == ["Nice", "<!-- Preview -->\n## Preview\n\nsecond"]
    assert github.tokens == {"Bearer of the workflow"}


def test_what_another_wrote_is_never_replaced_even_where_it_looks_like_the_comment(github: GitHubServer) -> None:
    forged = {"id": 1, "user": PERSON, "body": "<!-- Preview -->\n## Preview\n\nall is well"}
    github.comments.append(dict(forged))
    run("comment", "7", "Preview", written("to delete: everything"))
    assert github.comments[0] == forged
    assert "to delete: everything" in github.comments[1]["body"]


def test_the_comment_is_found_on_a_later_page(github: GitHubServer) -> None:
    github.comments += [{"id": number, "user": PERSON, "body": "+1"} for number in range(1, 151)]
    run("comment", "7", "Preview", written("first"))
    run("comment", "7", "Preview", written("second"))
    assert len(github.comments) == 151


def test_an_issue_is_open_as_long_as_something_is_found_and_is_one(github: GitHubServer) -> None:
    clean, drifted = written("", "dev.md"), written("### storage/prod: 1 gone\n", "prod.md")
    assert run("issue", "Drift", clean)[0] == 0
    assert github.issues == []
    assert run("issue", "Drift", clean, drifted)[0] == 0
    assert run("issue", "Drift", clean, written("### storage/prod: 2 gone\n", "prod.md"))[0] == 0
    (only,) = github.issues
    assert (only["title"], only["state"]) == ("Drift", "open")
    assert "2 gone" in only["body"]
    assert run("issue", "Drift", clean)[0] == 0
    assert only["state"] == "closed"
    run("issue", "Drift", written("### storage/prod: 1 gone\n"))
    assert [one["state"] for one in github.issues] == ["closed", "open"]


def test_nobody_elses_issue_of_that_title_is_touched_and_no_pull_request(github: GitHubServer) -> None:
    others: list[dict[str, Any]] = [
        {"number": 1, "title": "Drift", "user": PERSON, "body": "mine", "state": "open"},
        {"number": 2, "title": "Drift", "user": BOT, "body": "raise it", "state": "open", "pull_request": {}},
        {"number": 3, "title": "Drift", "user": BOT, "body": None, "state": "open"},
    ]
    github.issues += [dict(one) for one in others]
    run("issue", "Drift", written("found"))
    run("issue", "Drift", written(""))
    assert github.issues[:3] == others


def test_what_was_not_looked_at_closes_no_issue(github: GitHubServer) -> None:
    run("issue", "Drift", written("found"))
    code, said = run("issue", "Drift", written("", "dev.md"), "prod.md")
    assert code == 1
    assert "There is no report prod.md" in said
    assert github.issues[0]["state"] == "open"


def test_a_refusal_is_told_in_a_sentence(github: GitHubServer) -> None:
    github.refuses = True
    code, said = run("comment", "7", "Preview", written("first"))
    assert (code, said.strip()) == (
        1,
        "GitHub refuses GET example/pipeline/issues/7/comments with 403: Resource not accessible by integration.",
    )


def test_outside_of_a_workflow_it_says_what_is_missing(github: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    code, said = run("comment", "7", "Preview", written("first"))
    assert code == 1
    assert "here is not GITHUB_TOKEN" in said


def test_what_github_does_not_take_whole_is_cut_within_its_block_of_code() -> None:
    text = "## Preview\n\n```text\n" + "a line\n" * 20_000 + "```\n"
    kept = cut(text, MOST_CHARACTERS)
    assert len(kept) <= MOST_CHARACTERS
    assert kept.endswith("\n```\n\n_This is too long to be shown whole: see the run's own log._\n")
    assert cut("short", MOST_CHARACTERS) == "short"

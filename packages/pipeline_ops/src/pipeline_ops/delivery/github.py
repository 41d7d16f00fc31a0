"""GitHub's REST API, as far as the workflows need it: comments of a pull request, and issues.

https://docs.github.com/en/rest/issues/comments
https://docs.github.com/en/rest/issues/issues
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import urllib3
from urllib3.exceptions import HTTPError

from pipeline_ops.errors import OperatorError

__all__ = ["MOST_CHARACTERS", "GitHub"]

MOST_CHARACTERS = 65_536
"""How long the text of a comment or an issue may be: GitHub refuses a longer one with "body is too long"."""

_PAGE = 100
_SECONDS = 30.0
_REFUSED = 400
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class GitHub:
    """The API for one repository; every method raises OperatorError where GitHub can't be reached, or refuses."""

    api_url: str
    repository: str
    token: str = field(repr=False)

    @classmethod
    def of_workflow(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the API for the repository of the workflow that this runs in, whose step passes GITHUB_TOKEN."""
        missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environ.get(name)]
        if missing or not _REPOSITORY.fullmatch(environ["GITHUB_REPOSITORY"]):
            wrong = " and ".join(missing) or "a valid GITHUB_REPOSITORY"
            raise OperatorError(
                f"This runs in a GitHub workflow, and here is not {wrong}: pass it by the step's `env`."
            )
        url = environ.get("GITHUB_API_URL", "https://api.github.com")
        return cls(url, environ["GITHUB_REPOSITORY"], environ["GITHUB_TOKEN"])

    def comments(self, number: int) -> Iterator[Mapping[str, Any]]:
        """Yield the comments of an issue or a pull request, the oldest first."""
        return self._listed(f"issues/{number}/comments")

    def comment(self, number: int, text: str) -> None:
        """Add a comment to an issue or a pull request."""
        self._call("POST", f"issues/{number}/comments", {"body": text})

    def change_comment(self, comment: int, text: str) -> None:
        """Replace a comment's text."""
        self._call("PATCH", f"issues/comments/{comment}", {"body": text})

    def open_issues(self) -> Iterator[Mapping[str, Any]]:
        """Yield the open issues, and the open pull requests, which GitHub counts among them."""
        return self._listed("issues", state="open")

    def open_issue(self, title: str, text: str) -> None:
        """Open an issue."""
        self._call("POST", "issues", {"title": title, "body": text})

    def change_issue(self, number: int, **fields: str) -> None:
        """Change an issue's fields, such as its `body` or its `state`."""
        self._call("PATCH", f"issues/{number}", fields)

    def _listed(self, path: str, **query: str) -> Iterator[Mapping[str, Any]]:
        page = 1
        while found := self._call("GET", path, None, per_page=str(_PAGE), page=str(page), **query):
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _call(self, method: str, path: str, document: Mapping[str, str] | None, **query: str) -> Any:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "data-pipeline",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        place = f"{self.repository}/{path}"
        url = f"{self.api_url}/repos/{place}"
        sent: dict[str, Any] = {"fields": query} if document is None else {"json": document}
        try:
            answer = urllib3.request(method, url, headers=headers, timeout=_SECONDS, **sent)
            told = answer.json() if answer.data else None
        except (HTTPError, ValueError) as error:
            raise OperatorError(f"GitHub can't be asked for {place}: {error}.") from error
        if answer.status >= _REFUSED:
            reason = told.get("message") if isinstance(told, Mapping) else None
            raise OperatorError(f"GitHub refuses {method} {place} with {answer.status}: {reason}.")
        return told

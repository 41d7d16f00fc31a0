"""The backend of the stacks' state, and the passphrase for the secrets in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local_cloud import endpoint as endpoints
from pipeline_ops.errors import OperatorError
from pipeline_ops.private_files import local_folder

__all__ = [
    "AWS_STATE_FOLDER",
    "Backend",
    "aws_backend",
    "endpoint_backend",
    "folder_backend",
    "prepared_aws_backend",
    "secrets_environment",
]

AWS_STATE_FOLDER = ".state"
"""The folder of the checkout that holds the state of what is deployed to AWS, when no other backend is named."""

_BACKEND = "PULUMI_BACKEND_URL"
# Beside each file Pulumi would write another with its content type, in place: a run that is killed meanwhile leaves an
# empty one, and the state behind it can't be read any more. https://pkg.go.dev/gocloud.dev/blob/fileblob#URLOpener
_NO_SIDECARS = "metadata=skip"
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
_PASSPHRASE_SCHEMES = ("file://", "s3://", "azblob://", "gs://", "postgres://")


@dataclass(frozen=True)
class Backend:
    """A backend by its URL.

    `notice` is what an operator has to know about it, said once, when it is first made. `may_outlive` says that what
    it tells of may be gone without a word, as with an emulator that keeps nothing when it ends.
    """

    url: str
    notice: str = ""
    may_outlive: bool = False

    @property
    def shown(self) -> str:
        """The URL for messages: without a user's name and password."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.url)

    @property
    def folder(self) -> Path | None:
        """The folder that the state is in; None where it is in none."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def uses_passphrase(self) -> bool:
        """Whether Pulumi encrypts secrets itself here, and so asks for a passphrase unless a stack names a provider."""
        return self.url.startswith(_PASSPHRASE_SCHEMES)


def folder_backend(folder: Path) -> Backend:
    """Return the backend in a folder, which is made when it isn't there; raises OperatorError where it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"The state's folder {folder} can't be made ({error.strerror}): make it writable, or name a backend that "
            f"is elsewhere, `export {_BACKEND}=...`."
        ) from error
    return Backend(_url_of(folder))


def endpoint_backend(repository: Path, endpoint: str) -> Backend:
    """Return the state of what is deployed to a local cloud that outlives the command, by its normalized endpoint."""
    name = endpoints.identity(endpoint).partition("://")[2].replace(":", "_").replace("/", "_")
    return replace(folder_backend(local_folder(repository) / "state" / name), may_outlive=True)


def aws_backend(repository: Path, environ: Mapping[str, str]) -> Backend:
    """Return the backend that PULUMI_BACKEND_URL names, else the checkout's own folder; nothing is made."""
    url = environ.get(_BACKEND)
    return Backend(_absolute(url) if url else _url_of(repository / AWS_STATE_FOLDER))


def prepared_aws_backend(repository: Path, environ: Mapping[str, str]) -> Backend:
    """Return that backend ready to be written: the checkout's own folder is made, with a notice, the first time."""
    backend = aws_backend(repository, environ)
    folder = repository / AWS_STATE_FOLDER
    if environ.get(_BACKEND) or folder.exists():
        return backend
    return replace(
        folder_backend(folder),
        notice=f"What is deployed is recorded in {folder} and nowhere else: without it Pulumi does not know what it "
        f"made. Back it up, or keep the state where the team can reach it: export {_BACKEND}=s3://<bucket>.",
    )


def _url_of(folder: Path) -> str:
    return f"{folder.absolute().as_uri()}?{_NO_SIDECARS}"


def _absolute(url: str) -> str:
    """Return the URL, and that of a folder relative to the home or the working folder as an absolute one.

    Pulumi works in a temporary folder, and would keep such a state there: file://./state.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return url
    folder = Path(unquote(parts.netloc + parts.path)).expanduser().absolute()
    return f"{folder.as_uri()}?{parts.query}" if parts.query else folder.as_uri()


def secrets_environment(backend: Backend, settings: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which Pulumi decrypts a stack's secrets; refuse where it would have to ask."""
    given = {name: environ[name] for name in _PASSPHRASES if name in environ}
    if backend.uses_passphrase and "secretsprovider" not in settings and not given:
        raise OperatorError(
            "The state's secrets are encrypted with a passphrase that is not set: "
            f"`export {_PASSPHRASES[0]}=...`, or {_PASSPHRASES[1]} with the path of a file that holds it."
        )
    # Settings are a copy, so that the salt Pulumi writes beside the configuration does not last; the state has it too.
    return given | {"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true"}

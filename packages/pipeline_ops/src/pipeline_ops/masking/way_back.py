"""The way back to what masks nothing: refused for a route that masks, unless somebody says why."""

import io
import json
import urllib.request
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_ops.configured_targets import configured_targets
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.history import History, recorded_spec
from pipeline_ops.live_aliases import route_function
from pipeline_ops.routes.route import Route, SourceRoutes
from pipeline_ops.stack_settings import read_settings
from replication_core.route_spec import ROUTE_FILE

__all__ = ["is_masked", "masking_spec", "require_masking_release"]

_COMPILER = Path("packages/masking_policy")
"""What compiles policies, in a checkout; a release without it masks nothing, whatever its settings say."""

_MOST_BYTES = 262_144_000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: a function's archive, unzipped."""

_SECONDS = 60


def is_masked(spec: Mapping[str, Any] | None) -> bool:
    """Tell whether a route's specification, as a document, has a policy; one of a former release has none."""
    return bool(spec and spec.get("masking"))


def masking_spec(
    replication: SourceRoutes, route: Route, version: str, history: History, unmasked: str | None = None
) -> Mapping[str, Any] | None:
    """Return the specification in the archive of a version of a route that masks; None for a route that does not.

    The history tells it, and of a version that it does not know the archive itself. Raises OperatorError where that
    version masks nothing, or can't be told to, unless `unmasked` is the reason why that is meant.
    """
    if not is_masked(route.outputs.spec):
        return None
    known = recorded_spec(history.of_function(route_function(route.target)), route.target, version)
    spec = known or _archived_spec(replication, route, version)
    if unmasked is None and not is_masked(spec):
        raise _refusal(f"Version {version} of the route to {route.target}", [route.target])
    return spec


def require_masking_release(
    release: str, folder: Path, settings: Path, exported: Mapping[str, Any], routes: Sequence[str], unmasked: str | None
) -> None:
    """Raise OperatorError where a route masks by the stack's outputs, and a release's code or settings do not.

    `folder` is the release's checkout, `settings` the file there that it goes by, and `routes` are the targets that
    are deployed; empty for all of them.
    """
    if unmasked is not None:
        return
    targets = routes or str(exported.get("targets", "")).split(",")
    masked = [target for target in targets if is_masked(exported.get(f"{target}_spec"))]
    stay_masked = _masked_targets(settings) if (folder / _COMPILER).is_dir() else ()
    if ended := [target for target in masked if target not in stay_masked]:
        raise _refusal(release, ended)


def _refusal(what: str, targets: Sequence[str]) -> OperatorError:
    return OperatorError(
        f"{what} has no masking policy, and the present one has: production's values would go to "
        f"{' and '.join(targets)} as they are. --unmasked REASON says that this is meant.",
        MISUSED,
    )


def _masked_targets(settings: Path) -> Collection[str]:
    """Return the targets that a release's settings mask; none where they can't be read: its deploy says so."""
    try:
        targets = configured_targets(read_settings(settings, settings.name))
    except OperatorError:
        return ()
    return {target.environment for target in targets if target.is_masked}


def _archived_spec(replication: SourceRoutes, route: Route, version: str) -> Mapping[str, Any] | None:
    client = replication.client("lambda", region=replication.region)
    try:
        place = client.get_function(FunctionName=route.outputs.function_name, Qualifier=version)["Code"]["Location"]
        with urllib.request.urlopen(place, timeout=_SECONDS) as answer:  # noqa: S310 - a place that Lambda names
            archive = zipfile.ZipFile(io.BytesIO(answer.read(_MOST_BYTES)))
        document = json.loads(archive.read(ROUTE_FILE))
    except (BotoCoreError, ClientError, OSError, LookupError, ValueError, zipfile.BadZipFile):
        return None
    return document if isinstance(document, dict) else None

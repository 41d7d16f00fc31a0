"""Both sides of a deployed route, by what its own function is told of them."""

from botocore.config import Config

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.route import Replication, Route, explained
from replication_core.comparing.stores import Stores
from replication_core.environment import SettingsError
from replication_core.objects.reading import keep_empty_expires
from replication_core.route_spec import ReplicatorSettings

__all__ = ["CONFIG", "THREADS", "open_stores", "settings_of"]

THREADS = 64
"""Calls under way at the same time: they wait for AWS most of it."""

CONFIG = Config(
    max_pool_connections=THREADS + 32,  # those that list and scan come on top
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""How the clients that read both sides are configured."""


def settings_of(replication: Replication, route: Route) -> ReplicatorSettings:
    """Return the settings of the version that is live: what is replicated, from where and to where."""
    client = replication.client("lambda", region=replication.region)
    with explained(f"The settings of {route.outputs.function_name} can't be read"):
        # Not GetFunctionConfiguration: LocalStack finds no alias by it.
        found = client.get_function(FunctionName=route.outputs.alias_arn)["Configuration"]
    try:
        return ReplicatorSettings.from_env(found.get("Environment", {}).get("Variables", {}))
    except SettingsError as error:
        raise OperatorError(
            f"{route.outputs.function_name} was deployed by another release: {error}. "
            f"`{replication.deploy_command}` deploys this one."
        ) from error


def open_stores(replication: Replication, route: Route) -> Stores:
    """Return the route's source and target, to be read by the operator's own rights."""
    settings = settings_of(replication, route)
    source_s3, target_s3 = (
        replication.client("s3", region=region, config=CONFIG)
        for region in (settings.source_region, settings.target_region)
    )
    for client in (source_s3, target_s3):
        keep_empty_expires(client)
    return Stores(
        settings=settings,
        source_s3=source_s3,
        target_s3=target_s3,
        source_dynamodb=replication.client("dynamodb", region=settings.source_region, config=CONFIG),
        target_dynamodb=replication.client("dynamodb", region=settings.target_region, config=CONFIG),
    )

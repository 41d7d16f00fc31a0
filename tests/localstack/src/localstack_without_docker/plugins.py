"""LocalStack's plugins: functions as processes, and moto's DynamoDB, by the names that `pyproject.toml` declares."""

import base64
from collections.abc import Callable
from typing import Any

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider
from localstack.utils.patch import patch
from moto.dynamodb.models.dynamo_type import DynamoType

__all__ = ["ProcessExecutorPlugin", "dynamodb", "dynamodbstreams"]


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """The executor of `LAMBDA_RUNTIME_EXECUTOR=process`."""

    name = "process"

    def load(self, *_args: object, **_kwargs: object) -> type:
        """Return the executor's class; imported here because LocalStack loads every plugin's module at its start."""
        from localstack_without_docker.process_executor import ProcessExecutor

        return ProcessExecutor


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    """Return a DynamoDB that is moto's alone: LocalStack's own starts a program that its vendor's terms govern."""
    _mend_projections()
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=MotoFallbackDispatcher)


def _mend_projections() -> None:
    # Moto decodes a binary before it projects an item, but not those of a set, and fails.
    @patch(DynamoType.to_regular_json)
    def decoded(told: Callable[[DynamoType], dict[str, Any]], value: DynamoType) -> dict[str, Any]:
        return {"BS": [base64.b64decode(each) for each in value.value]} if value.type == "BS" else told(value)


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    """Return moto's streams of moto's tables."""
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=MotoFallbackDispatcher)

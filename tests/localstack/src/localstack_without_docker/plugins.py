"""LocalStack's plugins: functions as processes, and moto's DynamoDB, by the names that `pyproject.toml` declares."""

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider

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
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=MotoFallbackDispatcher)


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    """Return moto's streams of moto's tables."""
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=MotoFallbackDispatcher)

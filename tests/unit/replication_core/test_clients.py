"""How long a route's calls may take, and how often they are tried."""

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from replication_core.aws.clients import client_config, read_any_headers
from replication_core.clients import connect
from replication_core.objects.heads import read_head
from replication_core.objects.states import Head
from tests.unit.replication_core.cloud import Cloud, object_notice, record


def test_a_copy_may_be_silent_for_longer_than_other_calls_and_is_tried_less_often(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    clients = connect(cloud.settings.spec, connections=3, environ={})
    patience: dict[str, Any] = {
        name: (client.meta.config.read_timeout, client.meta.config.retries)
        for name in ("source_s3", "target_s3", "copying_s3", "source_dynamodb", "sqs", "sns")
        if (client := getattr(clients, name))
    }
    usual = (10, {"mode": "standard", "total_max_attempts": 3})
    assert patience.pop("copying_s3") == (60, {"mode": "standard", "total_max_attempts": 2})
    assert all(each == usual for each in patience.values())


def test_heads_tell_an_expires_header_without_a_value(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    cloud.put("one")

    def without_a_value(_operation: str, _request: Any, send: Any) -> Any:
        answer = send()
        answer.headers["Expires"] = ""
        return answer

    cloud.fault_for = {"s3.HeadObject": without_a_value}.get
    clients = connect(cloud.settings.spec, connections=3, environ={})
    for client in (clients.source_s3, clients.target_s3):
        head = read_head(client, cloud.settings.source_bucket, "one")
        assert isinstance(head, Head)
        assert dict(head.headers)["ExpiresString"] == ""


def test_only_copies_are_sent_by_the_patient_client(cloud: Cloud) -> None:
    cloud.put("one")
    cloud.put("large", b"x" * 7 * 1024**2)
    route = cloud.route(large_from=6 * 1024**2, part_size=5 * 1024**2)
    sent: list[str] = []
    events = cloud.clients.copying_s3.meta.events
    events.register("before-call.s3", lambda model, **_: sent.append(model.name), "patient")
    route.process({"Records": [record(object_notice(key), id_=key) for key in ("one", "large")]})
    events.unregister("before-call.s3", unique_id="patient")
    assert set(sent) == {"CopyObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"}


def by_path(_: int = 0, **__: Any) -> Config:
    """Return the configuration of a client that the operator has."""
    read_any_headers()
    return Config(s3={"addressing_style": "path"})


@pytest.mark.parametrize("config", [client_config, by_path])
def test_what_an_answer_says_in_headers_that_can_not_be_parsed_is_in_no_log(
    config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("urllib3"), "level", logging.NOTSET)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-amz-meta-\xc3\xa9: a\r\nx-amz-meta-owner: canary\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=config(1, path_style=True),
        )
        client.head_object(Bucket="bucket", Key="key")
    assert "canary" not in caplog.text

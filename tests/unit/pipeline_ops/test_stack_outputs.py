"""Outputs read from a state as Pulumi keeps it, in a folder, in S3, and by Pulumi itself where nothing else can.

`recorded/storage_dev.json` is a state that Pulumi 3.259.0 wrote, less most resources and all that tells of a machine.
"""

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline_common.contracts import ProcessingOutputs, StorageOutputs
from pipeline_ops import backend_files
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.stack_outputs import StackOutputs
from pipeline_ops.state import Backend, aws_backend
from pipeline_ops.where import Where

ROOT = Path(__file__).parents[3]
RECORDED = Path(__file__).with_name("recorded") / "storage_dev.json"
DEV = StackId("storage", "dev")
KEY = ".pulumi/stacks/storage/dev.json"
BUCKET_NAME = "storage-dev-objects-f4c4314"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}


def outputs_in(backend: Backend) -> StackOutputs:
    return StackOutputs(Projects(ROOT, Where(local=True)), backend)


def state(resources: list[Mapping[str, Any]] | None) -> bytes:
    return json.dumps({"version": 3, "checkpoint": {"latest": {"resources": resources}}}).encode()


def with_outputs(outputs: Mapping[str, Any]) -> bytes:
    return state([{"type": "pulumi:pulumi:Stack", "outputs": outputs}])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a state" / KEY
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
def outputs(file: Path, tmp_path: Path) -> StackOutputs:
    return outputs_in(Backend(f"{(tmp_path / 'a state').as_uri()}?metadata=skip"))


def test_a_recorded_states_outputs_are_a_contract(file: Path, outputs: StackOutputs) -> None:
    file.write_bytes(RECORDED.read_bytes())
    found = outputs.contract(StorageOutputs, "dev")
    assert (found.environment, found.bucket_name) == ("dev", BUCKET_NAME)
    assert outputs.of(DEV)["bucket_name"] == BUCKET_NAME
    assert outputs.find_contract(ProcessingOutputs, "dev") is None


def test_a_folder_may_be_relative_to_the_home(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(RECORDED.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    backend = aws_backend(tmp_path, {"PULUMI_BACKEND_URL": "file://~/a%20state?no_tmp_dir=true"})
    assert outputs_in(backend).of(DEV)["bucket_name"] == BUCKET_NAME


def test_of_two_compressions_the_one_that_was_written_last_is_read(file: Path, outputs: StackOutputs) -> None:
    file.write_bytes(with_outputs({"written": "first"}))
    compressed = file.with_suffix(".json.gz")
    compressed.write_bytes(gzip.compress(with_outputs({"written": "last"})))
    file.with_suffix(".json.bak").write_bytes(with_outputs({"written": "before"}))
    for seconds, path in enumerate((file, compressed)):
        os.utime(path, (seconds, seconds))
    assert outputs.of(DEV) == {"written": "last"}
    os.utime(file, (2, 2))
    assert outputs.of(DEV) == {"written": "first"}


def test_secrets_are_masked_however_deep_they_are(file: Path, outputs: StackOutputs) -> None:
    file.write_bytes(with_outputs({"token": SECRET, "deep": [{"token": SECRET, "number": 1}]}))
    assert outputs.of(DEV) == {"token": "[secret]", "deep": [{"token": "[secret]", "number": 1}]}


@pytest.mark.parametrize("content", [None, state(None), state([]), b'{"version": 3, "checkpoint": {"latest": null}}'])
def test_a_stack_without_resources_is_not_deployed(file: Path, outputs: StackOutputs, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    assert outputs.find(DEV) is None
    with pytest.raises(OperatorError, match=r"storage/dev is not deployed: `nox -s deploy -- storage dev --local`\."):
        outputs.contract(StorageOutputs, "dev")


def test_a_stack_that_promised_less_is_of_another_release(file: Path, outputs: StackOutputs) -> None:
    file.write_bytes(state([{"type": "pulumi:pulumi:Stack"}]))
    with pytest.raises(OperatorError, match="by another release, without environment: `nox -s deploy -- storage dev"):
        outputs.contract(StorageOutputs, "dev")


@pytest.mark.parametrize("content", [b"", RECORDED.read_bytes()[:1000], b"[]", b"5", b'{"version": 3}'])
def test_a_damaged_state_is_told_with_what_helps(file: Path, outputs: StackOutputs, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(OperatorError, match=r"The state of storage/dev, .* is cut off") as failed:
        outputs.of(DEV)
    assert len(failed.value.lines) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(b'{"checkpoint": 5}', b'{"checkpoint": {"latest": {"resources": [5]}}}'),
        gzip.compress(RECORDED.read_bytes(), mtime=0)[:200],
        b"\x1f\x8b\x08 no gzip",
    ],
)
def test_a_state_of_another_form_is_refused_in_a_sentence(file: Path, outputs: StackOutputs, content: bytes) -> None:
    (file.with_suffix(".json.gz") if content.startswith(b"\x1f") else file).write_bytes(content)
    with pytest.raises(OperatorError, match=r"The state of storage/dev at file://.* can't be read: ") as failed:
        outputs.of(DEV)
    assert len(failed.value.lines) == 1


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client: Any = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="states")
        yield client


@pytest.mark.parametrize(("path", "prefix"), [("", ""), ("/team/a/", "team/a/")])
def test_a_state_in_s3_is_read_by_its_prefix(s3: Any, path: str, prefix: str) -> None:
    s3.put_object(Bucket="states", Key=f"{prefix}{KEY}.gz", Body=gzip.compress(RECORDED.read_bytes()))
    s3.put_object(Bucket="states", Key=f"{prefix}{KEY}.bak", Body=b"none of ours")
    found = outputs_in(Backend(f"s3://states{path}?region=us-east-1&awssdk=v2"))
    assert found.of(DEV)["bucket_name"] == BUCKET_NAME
    assert found.find(StackId("storage", "prod")) is None


def test_a_bucket_that_can_not_be_read_is_told_in_a_sentence(s3: Any) -> None:
    with pytest.raises(OperatorError, match=r"storage/dev at s3://another.* can't be read: .*NoSuchBucket"):
        outputs_in(Backend("s3://another?region=us-east-1")).of(DEV)
    with pytest.raises(OperatorError, match=r"can't be read: .*nobody"):
        outputs_in(Backend("s3://states?profile=nobody")).of(DEV)


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ("region=eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        ("endpoint=minio:9000&disableSSL=true&s3ForcePathStyle=true", "http://minio:9000"),
        ("endpoint=minio:9000&region=x", "https://minio:9000"),
        ("endpoint=https://minio&use_path_style=1", "https://minio"),
    ],
)
def test_the_urls_parameters_are_followed(s3: Any, query: str, url: str) -> None:
    client = backend_files._s3(dict(part.split("=") for part in f"region=us-east-1&{query}".split("&")))
    assert client.meta.endpoint_url == url
    assert client.meta.config.s3["addressing_style"] == ("path" if "style" in query.lower() else "auto")


PULUMI = """#!/bin/sh
case "$*" in *version*) echo v3.259.0; exit;; esac
echo "$PULUMI_BACKEND_URL $*" >> "$PLACE/asked"
test -f Pulumi.dev.yaml || exit 3
case "$ANSWER" in error:*) echo "$ANSWER" >&2; exit 255;; *) echo "$ANSWER";; esac
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a Pulumi was asked that answers by the variable ANSWER."""
    cli = tmp_path / "pulumi"
    cli.write_text(PULUMI)
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    return tmp_path / "asked"


@pytest.mark.parametrize(
    "url", ["https://api.pulumi.com", "gs://states", "azblob://states", "s3://states?role=arn:aws:iam::1:role/state"]
)
def test_where_nothing_else_can_read_pulumi_is_asked_once(
    asked: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ANSWER", '{"bucket_name": "b", "token": "[secret]"}')
    assert outputs_in(Backend(url)).of(DEV) == {"bucket_name": "b", "token": "[secret]"}
    assert asked.read_text() == f"{url} --non-interactive stack output --json --stack dev\n"


def test_a_compression_that_python_lacks_is_pulumis_to_read(
    asked: Path, monkeypatch: pytest.MonkeyPatch, file: Path, outputs: StackOutputs
) -> None:
    file.with_suffix(".json.zst").write_bytes(b"\x28\xb5\x2f\xfd and so on")
    monkeypatch.setenv("ANSWER", '{"a": 1}')
    assert outputs.of(DEV) == {"a": 1}


@pytest.mark.parametrize("answer", ["error: no stack named 'dev' found", "{}"])
def test_a_stack_that_pulumi_does_not_know_is_not_deployed(
    asked: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv("ANSWER", answer)
    assert outputs_in(Backend("gs://states")).find(DEV) is None


def test_the_password_of_a_states_url_is_not_shown(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgres://me:secret@host/state"
    monkeypatch.setenv("ANSWER", f"error: can't open {url}")
    with pytest.raises(OperatorError, match="postgres://host/state: can't open postgres://host/state") as failed:
        outputs_in(Backend(url)).of(DEV)
    assert "secret" not in "".join(failed.value.lines)


def test_what_pulumi_can_not_read_is_told_in_its_words(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWER", "error: please log in")
    with pytest.raises(OperatorError, match=r"the state of storage/dev at gs://states: please log in\."):
        outputs_in(Backend("gs://states")).of(DEV)

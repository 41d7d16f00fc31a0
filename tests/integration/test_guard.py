"""The local cloud answers whoever has its key, and no page in a browser and no other user of the machine.

What can't be proved here: that another user can't read this one's files and environments, which the kernel sees to.
"""

import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import local_cloud
from local_cloud import ANYBODY, Credentials, LocalCloud, LocalCloudError
from local_cloud.clients import ClientFactory
from tests.polling import eventually

pytestmark = pytest.mark.own_cloud

LISTENING = "0A"
"""How Linux calls a socket's state: https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt"""

FUNCTION = """
import os, botocore.session
def handler(event, context):
    s3 = botocore.session.get_session().create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    return s3.get_object(Bucket="guarded", Key="key")["Body"].read().decode()
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud.start(on_progress=print) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="guarded")
        s3.put_object(Bucket="guarded", Key="key", Body=b"seen")
        yield cloud


def answer(cloud: LocalCloud, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, str]:
    """Send a request as it is told, with nothing of a client's own."""
    connection = HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        got = connection.getresponse()
        return got.status, got.read().decode()
    finally:
        connection.close()


CREATE_FUNCTION = json.dumps({"FunctionName": "evil", "Role": "arn:aws:iam::000000000000:role/r"}).encode()


@pytest.mark.parametrize(
    ("method", "path", "headers", "says"),
    [
        ("POST", "/2015-03-31/functions", {"Content-Type": "text/plain"}, "signed with its own key"),
        ("POST", "/2015-03-31/functions", {"Origin": "https://evil.example"}, "no page in a browser"),
        ("OPTIONS", "/guarded/key", {"Origin": "https://evil.example"}, "no page in a browser"),
        ("GET", "/guarded/key", {"Sec-Fetch-Site": "cross-site"}, "no page in a browser"),
        ("GET", "/_localstack/health", {"Host": "evil.example:4566"}, "this local cloud is 127.0.0.1:"),
        ("GET", "/guarded/key", {}, "signed with its own key"),
        ("POST", "/_ministack/reset", {}, "signed with its own key"),
        ("POST", "/_ministack/config", {}, "signed with its own key"),
    ],
)
def test_strangers_are_refused_with_the_reason(
    cloud: LocalCloud, method: str, path: str, headers: Mapping[str, str], says: str
) -> None:
    status, body = answer(cloud, method, path, headers, CREATE_FUNCTION if method == "POST" else b"")
    assert status == 403
    assert says in body
    assert "seen" not in body
    assert cloud.client("lambda").list_functions()["Functions"] == []


@pytest.mark.parametrize(
    "headers", [{"X-Amz-Target": "DynamoDB_20120810.ListTables"}, {"Content-Type": "application/x-www-form-urlencoded"}]
)
def test_a_presigned_url_opens_its_object_and_nothing_else(cloud: LocalCloud, headers: Mapping[str, str]) -> None:
    s3 = cloud.client("s3", config=Config(signature_version="s3v4"))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "guarded", "Key": "key"})
    path = url.removeprefix(cloud.endpoint)
    assert answer(cloud, "GET", path, {}) == (200, "seen")
    status, body = answer(cloud, "GET", path, headers, b"Action=ListQueues&Version=2012-11-05")
    assert (status, "the signature has to cover" in body) == (403, True)


@pytest.mark.parametrize("service", ["s3", "sqs", "iam", "dynamodb", "events", "cloudwatch"])
def test_another_key_is_refused_in_words_that_the_services_client_shows(cloud: LocalCloud, service: str) -> None:
    calls = {
        "s3": "list_buckets",
        "sqs": "list_queues",
        "iam": "list_roles",
        "dynamodb": "list_tables",
        "events": "list_rules",
        "cloudwatch": "describe_alarms",
    }
    for key in (ANYBODY, Credentials(cloud.credentials.access_key_id, "guessed")):
        client = ClientFactory(cloud.endpoint, key).client(service, cloud.region, None)
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch.*signed with its own key"):
            getattr(client, calls[service])()
    getattr(cloud.client(service), calls[service])()


def test_who_names_its_endpoint_without_its_key_is_told_what_is_missing(cloud: LocalCloud) -> None:
    with pytest.raises(LocalCloudError, match="signed with its own key"):
        local_cloud.start(cloud.endpoint)
    with local_cloud.start(cloud.endpoint, credentials=cloud.credentials) as same:
        assert same.client("s3").get_object(Bucket="guarded", Key="key")["Body"].read() == b"seen"


def test_keys_of_every_kind_and_large_bodies_come_through_as_they_are(cloud: LocalCloud) -> None:
    s3 = cloud.client("s3")
    for key in ("a b", "a+b", "100%", "é", "a&b?c#d", "(x)!*'", "%41", "a%2Bb", "a//b", "../x", "./y", "/z", "~\u202e"):
        s3.put_object(Bucket="guarded", Key=key, Body=key.encode(), Metadata={"spaces": "a  b"})
        assert s3.get_object(Bucket="guarded", Key=key)["Body"].read() == key.encode()
        s3.copy_object(Bucket="guarded", Key="copy", CopySource={"Bucket": "guarded", "Key": key})
    large = bytes(16 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(large), "guarded", "large")
    assert s3.get_object(Bucket="guarded", Key="large")["Body"].read() == large


def test_a_function_reaches_the_cloud_by_the_key_that_it_is_given(cloud: LocalCloud) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code.py", FUNCTION)
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="reads",
        Role="arn:aws:iam::000000000000:role/r",
        Runtime="python3.12",
        Handler="code.handler",
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
    )
    try:
        functions.get_waiter("function_active_v2").wait(FunctionName="reads")
        got = functions.invoke(FunctionName="reads")
        assert json.loads(got["Payload"].read()) == "seen"
    finally:
        functions.delete_function(FunctionName="reads")


def test_the_guarded_address_is_the_only_one(cloud: LocalCloud) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells what a process listens on in files")
    port = urlsplit(cloud.endpoint).port
    owners = listening(f"0100007F:{port:04X}")
    assert len(owners) == 1, "one process listens there"
    (owner,) = owners
    assert eventually(lambda: addresses_of(owner), what="its addresses") == {f"0100007F:{port:04X}"}


def listening(address: str) -> set[int]:
    """Return the processes of this user that listen on the address, as /proc/net/tcp writes it."""
    inodes = {inode for local, inode in listeners() if local == address}
    return {
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and inodes & sockets_of(int(process.name))
    }


def addresses_of(pid: int) -> set[str]:
    """Return all that the process listens on, of TCP in both versions."""
    own = sockets_of(pid)
    return {local for local, inode in listeners() if inode in own}


def listeners() -> set[tuple[str, str]]:
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {(row[1], row[9]) for row in rows if row[3] == LISTENING}


def sockets_of(pid: int) -> set[str]:
    try:
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return set()
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}


def test_its_files_are_for_no_other_users_eyes(cloud: LocalCloud) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells where a process works in files")
    (owner,) = listening(f"0100007F:{urlsplit(cloud.endpoint).port:04X}")
    folder = Path(f"/proc/{owner}/cwd").resolve()
    assert folder.stat().st_mode & 0o077 == 0
    command = Path(f"/proc/{owner}/cmdline").read_text()
    assert cloud.credentials.secret_access_key not in command, "everybody sees a process's arguments"

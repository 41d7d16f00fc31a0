"""Real AWS can't be reached by accident: neither by clients nor by Pulumi, whatever the user's environment says."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.config import Config

from local_cloud import ANYBODY, LocalCloud
from local_cloud.environment import only_environment
from local_cloud.launcher import launcher_folder

ENDPOINT = "http://127.0.0.1:4999"


@pytest.fixture(autouse=True)
def hostile_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = ap-south-1\nendpoint_url = https://s3.amazonaws.com\nuse_fips_endpoint = true\n"
    )
    for name, value in {
        "DATA_PIPELINE_CACHE": str(tmp_path / "cache"),
        "AWS_PROFILE": "a-profile-that-does-not-exist",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": "https://s3.eu-west-1.amazonaws.com",
        "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_DEFAULTS_MODE": "no-such-mode",
        "AWS_MAX_ATTEMPTS": "many",
        "HTTP_PROXY": "http://proxy.example:3128",
        "no_proxy": "intranet.example",
        "PULUMI_ACCESS_TOKEN": "real",
        "PULUMI_BACKEND_URL": "s3://real",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cloud() -> LocalCloud:
    return LocalCloud(
        endpoint=ENDPOINT,
        region="eu-west-1",
        credentials=ANYBODY,
        account_id="000000000000",
        owned=False,
    )


def test_a_client_gets_the_clouds_endpoint_and_dummy_credentials(cloud: LocalCloud) -> None:
    client = cloud.client("s3")
    assert client.meta.endpoint_url == ENDPOINT
    assert client.meta.region_name == "eu-west-1"
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("test", "test", None)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert url.startswith(f"{ENDPOINT}/bucket/key?")


def test_a_client_uses_no_proxy(cloud: LocalCloud) -> None:
    client = cloud.client("sqs")
    assert client._endpoint.http_session._proxy_config._proxies == {}


def test_a_clients_region_and_settings_can_be_chosen_without_losing_the_isolation(cloud: LocalCloud) -> None:
    client = cloud.client("dynamodb", region="us-west-2", config=Config(read_timeout=3))
    assert client.meta.region_name == "us-west-2"
    assert client.meta.config.read_timeout == 3
    assert client.meta.config.proxies == {}
    assert client.meta.endpoint_url == ENDPOINT


def test_the_environment_for_pulumi_holds_nothing_of_the_users_aws_or_pulumi(cloud: LocalCloud) -> None:
    environment = cloud.environment()
    assert "real" not in environment.values()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL"} & environment.keys()
    assert not {"PULUMI_IGNORE_AMBIENT_PLUGINS", "AWS_ENDPOINT_URL_S3", "AWS_USE_FIPS_ENDPOINT"} & environment.keys()
    assert environment["AWS_ENDPOINT_URL"] == ENDPOINT
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["AWS_CONFIG_FILE"] == os.devnull
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,localhost,intranet.example"


def test_pulumi_finds_the_stand_in_first_and_may_not_download_another(cloud: LocalCloud) -> None:
    environment = cloud.environment()
    first = Path(environment["PATH"].split(os.pathsep)[0])
    assert first == launcher_folder()
    assert [path.name for path in first.iterdir()] == ["pulumi-resource-aws"]
    assert environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_launcher_runs_the_stand_in_with_this_python_from_any_folder(tmp_path: Path) -> None:
    launcher = launcher_folder() / "pulumi-resource-aws"
    assert launcher.stat().st_mode & stat.S_IXUSR
    (tmp_path / "local_cloud.py").write_text("raise SystemExit('a module of the project was imported instead')")
    (tmp_path / "sitecustomize.py").write_text("")
    script = launcher.read_text()
    assert sys.executable in script
    module = subprocess.run(
        [sys.executable, "-P", "-c", "import local_cloud; print(local_cloud.__name__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert module.stdout == "local_cloud\n", module.stderr
    assert " -P -m local_cloud.provider " in script


def test_the_stand_in_is_no_console_script_that_a_deployment_to_aws_would_find() -> None:
    assert not (Path(sys.executable).parent / "pulumi-resource-aws").exists()


def test_a_stacks_provider_gets_the_endpoints_and_the_emulators_account(cloud: LocalCloud) -> None:
    config = cloud.stack_config()
    assert set(config["aws:endpoints"].values()) == {ENDPOINT}
    assert {"s3", "dynamodb", "sqs", "sns", "lambda", "events", "iam", "logs", "sts"} <= config["aws:endpoints"].keys()
    assert config["aws:allowedAccountIds"] == ["000000000000"]
    assert "aws:region" not in config


def test_only_the_given_environment_holds_inside_the_block_and_the_old_one_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with only_environment({"PATH": "/nowhere", "AWS_ENDPOINT_URL": ENDPOINT}):
        assert dict(os.environ) == {"PATH": "/nowhere", "AWS_ENDPOINT_URL": ENDPOINT}
        os.environ["SET_MEANWHILE"] = "kept"
    assert os.environ["AWS_PROFILE"] == "a-profile-that-does-not-exist"
    assert os.environ["AWS_ENDPOINT_URL"] == "https://s3.eu-west-1.amazonaws.com"
    assert os.environ.pop("SET_MEANWHILE") == "kept"

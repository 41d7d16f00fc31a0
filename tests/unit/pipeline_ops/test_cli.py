"""The commands as they are typed: what is refused, with which exit code, and what programs read."""

import errno
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local_cloud import LocalCloudError
from pipeline_common.infra.part import WHOLE, Part
from pipeline_ops import cli, deployment, lifecycle
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.progressive import Rollout
from pipeline_ops.where import AWS, Where
from tests.polling import eventually


class FakeDeployment:
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.looked: list[tuple[StackId, tuple[StackId, ...], int]] = []
        self.where: Where | None = None
        self.part = WHOLE
        self.error: Exception | None = None

    def require_needed(self, stack: StackId, part: Part = WHOLE, besides: Collection[StackId] = ()) -> None:
        self.looked.append((stack, tuple(besides), len(self.asked)))

    def __getattr__(self, operation: str) -> Any:
        if operation not in {"up", "preview", "refresh", "destroy", "unlock"}:
            raise AttributeError(operation)

        def act(project: str, environment: str, part: Part = WHOLE) -> Any:
            if self.error is not None:
                raise self.error
            stack = StackId(project, environment)
            self.asked.append((operation, str(stack)))
            self.part = part
            return deployment.Result(stack, operation, {"create": 1}, 0.5, {})

        return act


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    projects = {"storage": ("dev", "prod"), "processing": ("dev",), "replication": ("prod",)}
    for project, environments in projects.items():
        folder = tmp_path / "projects" / project
        folder.mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(f"name: {project}\n")
        for environment in environments:
            (folder / f"Pulumi.{environment}.yaml").write_text("config: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    fake = FakeDeployment()

    @contextmanager
    def opened(projects: Projects, **_: Any) -> Iterator[FakeDeployment]:
        fake.where = projects.where
        yield fake

    monkeypatch.setattr(lifecycle, "open_deployment", opened)
    monkeypatch.setattr(lifecycle, "check_account", lambda *_: "111122223333")
    return fake


@pytest.fixture
def recorded(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state with an output per stack that there is."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", checkout.as_uri())
    for stack in Projects(checkout).every_stack():
        state = checkout / ".pulumi" / "stacks" / stack.project / f"{stack.environment}.json"
        state.parent.mkdir(parents=True, exist_ok=True)
        root = {"type": "pulumi:pulumi:Stack", "outputs": {"name": str(stack), "a": 1}}
        state.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [root]}}}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments))


@pytest.mark.parametrize(
    ("command", "operation"),
    [("deploy", "up"), ("preview", "preview"), ("refresh", "refresh"), ("destroy", "destroy")],
)
def test_a_command_runs_its_operation_on_the_stack(fake: FakeDeployment, command: str, operation: str) -> None:
    answer = run(command, "storage", "dev", "--local")
    assert answer.exit_code == 0, answer.output
    assert fake.asked == [(operation, "storage/dev")]
    assert answer.stdout.startswith("storage/dev: 1 ")
    assert fake.where == Where(local=True, fleeting=True)


@pytest.fixture
def targets(checkout: Path) -> None:
    named = ", ".join(f"{{environment: {name}, masking: none, reason: a test}}" for name in ("dev", "staging"))
    config = f"config:\n  replication:targets: [{named}]\n"
    (checkout / "projects" / "replication" / "Pulumi.prod.yaml").write_text(config)


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize("command", ["deploy", "preview"])
def test_chosen_routes_are_a_part_in_the_configured_order(fake: FakeDeployment, command: str) -> None:
    answer = run(command, "replication", "prod", "--routes", "staging, dev", "--end-holds", "--local")
    assert answer.exit_code == 0, answer.output
    assert fake.part == Part(routes=("dev", "staging"), ends_holds=True)


@pytest.mark.parametrize("option", [("--progressive",), ("--weight", "10")])
def test_only_what_has_routes_is_deployed_route_by_route(fake: FakeDeployment, option: tuple[str, ...]) -> None:
    answer = run("deploy", "storage", "dev", *option, "--local")
    assert (answer.exit_code, fake.asked) == (2, [])
    assert f"{option[0]} is of replication alone" in answer.stderr


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize(("option", "weight"), [(("--progressive",), None), (("--weight", "10"), 10)])
def test_the_chosen_routes_are_deployed_one_after_the_other(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], weight: int | None
) -> None:
    asked: list[Any] = []

    def deploy(_: object, stack: StackId, part: Part, weight: int | None) -> Rollout:
        asked.append((str(stack), part, weight))
        return Rollout()

    monkeypatch.setattr(lifecycle, "deploy_progressively", deploy)
    answer = run("deploy", "replication", "prod", *option, "--routes", "staging,dev", "--local", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["well"]) == (0, True)
    assert asked == [("replication/prod", Part(routes=("dev", "staging")), weight)]


@pytest.mark.parametrize("percent", ["0", "100", "ten"])
def test_a_weight_is_a_part_of_the_work_in_percent(fake: FakeDeployment, percent: str) -> None:
    assert run("deploy", "replication", "prod", "--weight", percent, "--local").exit_code == 2


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize(
    ("project", "routes", "said"),
    [
        (
            "replication",
            "dev,qa",
            "--routes names 'qa', and prod is not replicated to that: the targets are dev, staging",
        ),
        ("replication", "dev,", "--routes names '', and"),
        ("storage", "dev", "--routes chooses routes of replication, and storage has none"),
        ("all", "dev", "--routes chooses routes of replication, and all has none"),
    ],
)
def test_routes_that_there_are_not_are_misuse(fake: FakeDeployment, project: str, routes: str, said: str) -> None:
    answer = run("deploy", project, "prod", "--routes", routes, "--local")
    assert (answer.exit_code, fake.asked) == (2, [])
    assert said in answer.stderr


def test_every_command_reads_answers_of_as_many_headers_as_s3_sends(
    recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.client, "_MAXHEADERS", 100)
    assert run("outputs", "storage", "dev").exit_code == 0
    assert http.client._MAXHEADERS > 2048  # type: ignore[attr-defined] # it is private


def test_all_goes_in_dependency_order_and_is_destroyed_in_reverse(fake: FakeDeployment) -> None:
    run("deploy", "all", "prod", "--local")
    run("destroy", "all", "prod", "--local")
    assert [stack for _, stack in fake.asked] == [
        "storage/prod",
        "replication/prod",
        "replication/prod",
        "storage/prod",
    ]


def test_what_each_stack_reads_is_looked_at_before_the_first_one_is_changed(fake: FakeDeployment) -> None:
    run("deploy", "all", "prod", "--local")
    stacks = (StackId("storage", "prod"), StackId("replication", "prod"))
    assert fake.looked == [(stack, stacks, 0) for stack in stacks]


def test_an_endpoint_means_a_local_cloud_wherever_it_stands(fake: FakeDeployment) -> None:
    run("deploy", "--endpoint", "http://localhost:4566", "storage", "prod")
    assert fake.where is not None
    assert fake.where.is_local
    assert fake.where.options == ("--endpoint", "http://localhost:4566")
    assert fake.asked == [("up", "storage/prod")]


@pytest.mark.parametrize("arguments", [("deploy", "storage", "prod"), ("destroy", "storage", "dev")])
def test_a_change_that_nobody_can_confirm_is_refused_as_misuse(
    fake: FakeDeployment, arguments: tuple[str, ...]
) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert "--yes" in answer.stderr
    assert fake.asked == []
    assert run(*arguments, "--yes").exit_code == 0


def test_a_change_to_prod_goes_on_when_its_name_is_typed_and_names_the_account(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def type_it(text: str) -> str:
        asked.append(text)
        return "storage/prod"

    monkeypatch.setattr(lifecycle, "ask", type_it)
    monkeypatch.setattr(lifecycle, "at_terminal", lambda: True)
    assert run("deploy", "storage", "prod").exit_code == 0
    assert "account 111122223333" in asked[0]
    assert fake.asked == [("up", "storage/prod")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("deploy", "replication", "dev", "--local"), 2, "replication has no dev stack"),
        (("deploy", "nothing", "dev"), 2, "There is no project 'nothing'"),
        (("deploy", "storage", "qa"), 2, "storage has no qa stack: it is deployed to dev, prod."),
        (("deploy", "storage", "dev", "--provider", "official"), 2, "--provider goes with --local or --endpoint"),
        (("deploy", "storage", "dev", "--provider", "stand-in"), 2, "--provider goes with --local or --endpoint"),
        (("local", "--stop", "--provider", "official"), 2, "goes with no other option"),
        (("deploy",), 2, "Missing argument"),
        (("nothing",), 2, "No such command"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    fake: FakeDeployment, arguments: tuple[str, ...], code: int, says: str
) -> None:
    answer = run(*arguments)
    assert answer.exit_code == code
    assert says in answer.stderr
    assert fake.asked == []


@pytest.mark.parametrize("error", [OperatorError("one sentence", 1), LocalCloudError("one sentence")])
def test_an_error_is_a_sentence_and_with_json_a_document_too(fake: FakeDeployment, error: Exception) -> None:
    fake.error = error
    answer = run("deploy", "storage", "dev", "--json")
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1] == "one sentence"
    assert json.loads(answer.stdout) == {"error": "one sentence"}
    assert run("deploy", "storage", "dev").stdout == ""


def test_results_are_one_document(fake: FakeDeployment) -> None:
    assert [r["stack"] for r in json.loads(run("deploy", "all", "prod", "--local", "--json").stdout)["results"]] == [
        "storage/prod",
        "replication/prod",
    ]


def test_the_outputs_of_one_stack_are_flat_and_those_of_several_are_by_stack(recorded: None) -> None:
    assert run("outputs", "storage", "dev").stdout == "storage/dev\n  a     1\n  name  storage/dev\n"
    assert json.loads(run("outputs", "storage", "dev", "--json").stdout) == {"name": "storage/dev", "a": 1}
    assert json.loads(run("outputs", "all", "dev", "--json").stdout) == {
        "storage/dev": {"name": "storage/dev", "a": 1},
        "processing/dev": {"name": "processing/dev", "a": 1},
    }
    assert run("outputs", "all", "dev").stdout.startswith(
        "storage/dev\n  a     1\n  name  storage/dev\n\nprocessing/dev\n"
    )


def test_a_lock_is_removed_only_when_that_is_confirmed(fake: FakeDeployment) -> None:
    assert run("unlock", "storage", "prod").exit_code == 2
    assert fake.asked == []
    assert run("unlock", "storage", "prod", "--yes").exit_code == 0
    assert fake.asked == [("unlock", "storage/prod")]


def test_outside_a_checkout_every_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run("deploy", "storage", "dev")
    assert answer.exit_code == 2
    assert "not in a checkout" in answer.stderr


def test_where_a_command_goes_is_where_its_hints_go() -> None:
    assert not AWS.is_local
    assert AWS.command("resume", "dev") == "nox -s resume -- dev"
    assert Where(local=True).command("resume", "dev") == "nox -s resume -- dev --local"
    assert Where(local=True, endpoint="http://x:1").command("resume", "a b") == (
        "nox -s resume -- 'a b' --endpoint http://x:1"
    )
    assert Where(local=True, fleeting=True).command("deploy", "storage", "dev") == (
        "nox -s local -- --detach && nox -s deploy -- storage dev --local"
    )
    official = Where(local=True, provider="official")
    assert official.command("deploy", "storage", "dev") == "nox -s deploy -- storage dev --local --provider official"
    assert official.command("resume", "dev") == "nox -s resume -- dev --local"


def test_the_official_provider_that_is_not_installed_is_refused_before_anything_is_started(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(checkout / "nowhere"))
    monkeypatch.setattr("local_cloud.start", lambda *_, **__: pytest.fail("a local cloud was started"))
    for command in (("deploy", "storage", "dev", "--local"), ("local",), ("demo",)):
        answer = run(*command, "--provider", "official")
        assert answer.exit_code == 1
        assert "`pulumi plugin install resource aws v" in answer.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(("outputs", "storage", "dev"), ("refresh", "storage", "dev"), ("destroy", "storage", "dev")),
        *(("unlock", "storage", "dev", "--yes"), ("process", "dev", "incoming/x"), ("status",), ("verify", "dev")),
        *(("backfill", "dev", "--yes"), ("pause", "dev"), ("resume", "dev"), ("replicate", "dev", "k")),
        ("redrive", "--list"),
    ],
)
def test_with_no_local_cloud_up_only_what_fills_one_begins_one(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("local_cloud.start", lambda *_: pytest.fail("an empty cloud was begun"))
    answer = run(*command, "--local")
    assert answer.exit_code == 1
    assert answer.stderr == "No local cloud is up: `nox -s local -- --detach` brings the whole system up.\n"
    assert answer.stdout == ""


def test_an_error_of_others_words_is_shown_as_text_with_its_details_below(fake: FakeDeployment) -> None:
    fake.error = OperatorError("key a\nAll is well. \x1b[2J", details=["\u202ethis", "that"])
    answer = run("deploy", "storage", "dev", "--json")
    assert answer.stderr.splitlines() == [r"key a\nAll is well. \x1b[2J", r"  \u202ethis", "  that"]
    assert json.loads(answer.stdout) == {"error": "key a\nAll is well. \x1b[2J\n  \u202ethis\n  that"}


def test_what_was_typed_wrong_is_repeated_as_text(fake: FakeDeployment) -> None:
    for arguments in (
        ("deploy", "storage", "dev", "\x1b[2J"),
        ("--\x1b[2J",),
        ("\x1b[2J",),
        ("deploy", "\x1b[2J", "dev"),
    ):
        answer = run(*arguments)
        assert answer.exit_code == 2
        assert "\x1b" not in answer.stderr
        assert r"\x1b[2J" in answer.stderr


@pytest.mark.parametrize("command", [("unlock", "storage", "prod"), ("redrive",), ("backfill", "dev")])
def test_where_standard_input_is_closed_nobody_is_asked(fake: FakeDeployment, command: tuple[str, ...]) -> None:
    program = [sys.executable, "-m", "pipeline_ops", *command]
    answer = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *program], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.endswith("say --yes.\n")
    assert "Traceback" not in answer.stderr


# Who started the tests with SIGINT ignored would have it ignored in a program too, which a terminal's shell does not.
HEEDING = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
WITHOUT_ACCOUNT = f"""{HEEDING}
from pipeline_ops import cli, lifecycle
lifecycle.check_account = lambda *_: "111122223333"
cli.main()
"""
PULUMI = """#!/bin/sh
case "$*" in
  *version*) echo v3.259.0 ;;
  *"stack ls"*) echo '[{"name": "organization/storage/dev", "current": false, "resourceCount": 3}]' ;;
  *"stack select"*) ;;
  *) trap 'touch ended; exit 1' INT TERM; touch "$PLACE/asked"; while :; do sleep 0.05; done ;;
esac
"""


def interrupted(program: list[str], environment: dict[str, str], begun: Path) -> tuple[int, str, str]:
    """Interrupt a program once the file `begun` is there; return its exit code and what it wrote."""
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        eventually(begun.exists, what=f"{begun.name}, of the program", within=60)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said, complained


@pytest.mark.parametrize("command", ["preview", "unlock"])
def test_ctrl_c_ends_what_changes_nothing_and_says_no_more_than_that(
    checkout: Path, tmp_path: Path, command: str
) -> None:
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        "PLACE": str(tmp_path),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    program = [
        sys.executable,
        "-c",
        WITHOUT_ACCOUNT,
        command,
        "storage",
        "dev",
        *(["--yes"] if command == "unlock" else []),
    ]
    assert interrupted(program, environment, tmp_path / "asked") == (130, "", "Interrupted.\n")


def test_all_says_which_project_it_leaves_out_and_one_that_is_named_is_refused(
    fake: FakeDeployment, recorded: None
) -> None:
    answer = run("preview", "all", "dev", "--local", "--json")
    assert answer.stderr == "replication is left out: it has no Pulumi.dev.yaml.\n"
    assert [result["stack"] for result in json.loads(answer.stdout)["results"]] == ["storage/dev", "processing/dev"]
    assert "left out" in run("outputs", "all", "dev").stderr
    assert "processing is left out" in run("deploy", "all", "prod", "--local").stderr
    assert run("preview", "storage", "dev", "--local").stderr == ""


@pytest.mark.parametrize("option", [("--detach",), ("--endpoint", "http://localhost:4566")])
def test_stopping_the_local_cloud_goes_with_nothing_else(checkout: Path, option: tuple[str, ...]) -> None:
    answer = run("local", "--stop", *option)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "--stop" in answer.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_file_that_can_t_be_used_is_named_without_a_traceback(fake: FakeDeployment, options: tuple[str, ...]) -> None:
    fake.error = OSError(30, "Read-only file system", "/checkout/.local")
    answer = run("preview", "storage", "dev", "--local", *options)
    assert answer.exit_code == 1
    assert "/checkout/.local can't be used: Read-only file system." in answer.output


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory"), "No usable temporary directory."),
        (TimeoutError(), "TimeoutError."),
    ],
)
def test_what_the_system_refuses_without_a_file_s_name_is_a_sentence(
    fake: FakeDeployment, error: OSError, says: str
) -> None:
    fake.error = error
    answer = run("preview", "storage", "dev", "--local", "--json")
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1] == f"The system refused what the command needs: {says}"
    assert json.loads(answer.stdout) == {"error": f"The system refused what the command needs: {says}"}


@pytest.mark.parametrize("command", [("status",), ("deploy", "storage", "dev"), ("local",), ("demo",)])
@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("http://", "is no endpoint: write it as http://localhost:4566."),
        ("ftp://x", "is no endpoint: write it as http://localhost:4566."),
        ("localhost:99999", "is no endpoint: write it as http://localhost:4566."),
        ("https://s3.amazonaws.com", "is AWS itself, not a local cloud: leave the endpoint out."),
    ],
)
def test_what_is_no_local_clouds_endpoint_is_misuse(
    fake: FakeDeployment, command: tuple[str, ...], endpoint: str, says: str
) -> None:
    answer = run(*command, "--endpoint", endpoint)
    assert answer.exit_code == 2
    assert answer.stderr.endswith(f"{says}\n")
    assert fake.asked == []


def test_a_number_beyond_all_is_refused_in_the_operators_words() -> None:
    answer = run("backfill", "dev", "--rate", "1e400")
    assert answer.exit_code == 2
    assert "'1e400' is not a number that can be used here." in answer.stderr
    assert "Traceback" not in answer.output
    assert answer.exception is None or isinstance(answer.exception, SystemExit)


def test_ctrl_c_while_a_command_is_being_loaded_is_no_traceback(tmp_path: Path) -> None:
    loading = tmp_path / "pulumi.py"
    loading.write_text(
        HEEDING + 'import os, time\nopen(os.environ["PLACE"], "w").close()\nwhile True:\n    time.sleep(0.05)\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PLACE": str(tmp_path / "loading")}
    program = [sys.executable, "-m", "pipeline_ops", "deploy", "storage", "dev"]
    assert interrupted(program, environment, tmp_path / "loading") == (130, "", "Interrupted.\n")

"""Which stacks a repository has, what each needs before it, and how a wrong one is refused."""

import shutil
from pathlib import Path

import pytest

from local_cloud.endpoint import normalize
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.projects import ALL, DEPENDENCIES, Projects, StackId, find_repository
from pipeline_ops.running_system import waves
from pipeline_ops.state import endpoint_backend
from pipeline_ops.where import Where

ROOT = Path(__file__).parents[3]


def repository(folder: Path, **stacks: dict[str, str]) -> Projects:
    """A repository with the given projects, each with a settings file of the given text per environment."""
    for project, settings in stacks.items():
        home = folder / "projects" / project
        home.mkdir(parents=True)
        (home / "Pulumi.yaml").write_text(f"name: {project}\n")
        for environment, text in settings.items():
            (home / f"Pulumi.{environment}.yaml").write_text(text)
    return Projects(folder)


REPLICATION = """
config:
  aws:region: eu-west-1
  replication:targets:
    - environment: dev
    - environment: staging
"""


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    storage = dict.fromkeys(("dev", "staging", "prod"), "config: {}\n")
    return repository(
        tmp_path, replication={"prod": REPLICATION}, processing={"dev": "", "prod": "config:\n"}, storage=storage
    )


def test_projects_come_in_dependency_order_and_an_environment_exists_where_its_file_does(projects: Projects) -> None:
    assert projects.names == ("storage", "processing", "replication")
    assert projects.environments("storage") == ("dev", "prod", "staging")


def test_a_replication_needs_the_storage_of_its_source_and_of_each_target(projects: Projects) -> None:
    assert [str(stack) for stack in projects.needs(StackId("replication", "prod"))] == [
        "storage/prod",
        "storage/dev",
        "storage/staging",
    ]
    assert projects.needs(StackId("processing", "dev")) == (StackId("storage", "dev"),)
    assert projects.needed_by(StackId("storage", "staging"), projects.every_stack()) == (
        StackId("replication", "prod"),
    )
    assert projects.needed_by(StackId("storage", "staging"), [StackId("storage", "staging")]) == ()


@pytest.mark.parametrize("targets", ["[{environment: No-where}]", "[{environment: [dev]}]", "[{}]", "[]", ""])
def test_targets_that_make_no_sense_are_left_for_the_program_to_refuse(tmp_path: Path, targets: str) -> None:
    projects = repository(tmp_path, replication={"prod": f"config:\n  replication:targets: {targets}\n"})
    assert projects.needs(StackId("replication", "prod")) == (StackId("storage", "prod"),)


def test_all_means_every_projects_stack_of_the_environment(projects: Projects) -> None:
    assert [str(stack) for stack in projects.select(ALL, "prod")] == [
        "storage/prod",
        "processing/prod",
        "replication/prod",
    ]
    assert [str(stack) for stack in projects.select(ALL, "staging")] == ["storage/staging"]
    assert projects.select("storage", "dev") == (StackId("storage", "dev"),)


def test_all_of_an_environment_that_no_project_has_is_misuse(tmp_path: Path) -> None:
    projects = repository(tmp_path, storage={"prod": ""})
    with pytest.raises(OperatorError, match=r"^No project has a staging stack: there is no .*staging\.yaml\.$") as info:
        projects.select(ALL, "staging")
    assert info.value.exit_code == MISUSED


def instance(projects: Projects, suffix: str | None = None) -> list[str]:
    return [str(stack) for stack in Projects(projects.repository, Where(suffix=suffix)).select(ALL, "prod")]


def test_a_suffix_is_the_options_then_the_configurations_then_the_variables(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert instance(projects, "pr1") == ["storage/prod-pr1", "processing/prod-pr1", "replication/prod-pr1"]
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "ci")
    assert instance(projects)[0] == "storage/prod-ci"
    (projects.folder("storage") / "Pulumi.prod.yaml").write_text("config:\n  pipeline:environmentSuffix: 5400\n")
    assert instance(projects) == ["storage/prod-5400", "processing/prod-5400", "replication/prod-5400"]
    assert instance(projects, "pr1")[0] == "storage/prod-pr1"
    assert instance(projects, "")[0] == "storage/prod"
    (projects.folder("processing") / "Pulumi.prod.yaml").write_text("config:\n  pipeline:environmentSuffix: b\n")
    with pytest.raises(OperatorError, match=r"differs in projects/storage/Pulumi\.prod\.yaml and projects/processing/"):
        instance(projects)


def test_a_suffix_that_can_be_none_is_refused_in_a_sentence(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "PR-5400")
    with pytest.raises(OperatorError, match=r"'PR-5400' is no suffix of an instance.*ENVIRONMENT_SUFFIX") as info:
        instance(projects)
    assert info.value.exit_code == MISUSED


def test_an_instance_needs_stacks_of_its_own_instance_alone(projects: Projects) -> None:
    assert [str(stack) for stack in projects.needs(StackId("replication", "prod-pr1"))] == [
        "storage/prod-pr1",
        "storage/dev-pr1",
        "storage/staging-pr1",
    ]
    among = [StackId("replication", "prod"), StackId("replication", "prod-pr1"), StackId("storage", "dev-pr1")]
    assert projects.needed_by(StackId("storage", "dev-pr1"), among) == (StackId("replication", "prod-pr1"),)


def test_a_command_about_an_instance_leads_to_it(projects: Projects) -> None:
    assert projects.command("deploy", StackId("storage", "dev-pr1")) == "nox -s deploy -- storage dev --suffix pr1"
    with pytest.raises(OperatorError, match="dev-pr1 is an instance of dev: name dev, and --suffix pr1"):
        projects.stack("storage", "dev-pr1")


def test_an_environment_is_added_by_two_files_and_a_target(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "projects", tmp_path / "projects", ignore=shutil.ignore_patterns("src"))
    before = {str(stack) for stack in Projects(tmp_path).every_stack()}
    for project in ("storage", "processing"):
        folder = tmp_path / "projects" / project
        shutil.copy(folder / "Pulumi.dev.yaml", folder / "Pulumi.qa.yaml")
    production = tmp_path / "projects" / "replication" / "Pulumi.prod.yaml"
    production.write_text(
        production.read_text().replace("replication:targets:\n", "replication:targets:\n    - environment: qa\n")
    )
    projects = Projects(tmp_path)
    assert {str(stack) for stack in projects.every_stack()} - before == {"storage/qa", "processing/qa"}
    assert StackId("storage", "qa") in projects.needs(StackId("replication", "prod"))
    assert StackId("storage", "qa") in next(waves(projects))


def test_a_cloud_has_one_state_however_its_endpoint_is_written(tmp_path: Path) -> None:
    written = ("localhost:4566", "http://127.0.0.1:4566", "http://LOCALHOST:4566/")
    assert len({endpoint_backend(tmp_path, normalize(one)).url for one in written}) == 1
    others = ("http://localhost:4567", "http://localhost.localstack.cloud:4566", "http://localhost")
    assert len({endpoint_backend(tmp_path, normalize(one)).url for one in (*written, *others)}) == 4


def test_stacks_that_need_nothing_of_each_other_are_deployed_together(projects: Projects) -> None:
    assert [[str(stack) for stack in wave] for wave in waves(projects)] == [
        ["storage/dev", "storage/prod", "storage/staging"],
        ["processing/dev", "processing/prod", "replication/prod"],
    ]


def test_a_project_without_a_stack_for_the_environment_is_refused_with_those_there_are(projects: Projects) -> None:
    with pytest.raises(OperatorError, match=r"^replication has no dev stack: it is deployed to prod\.$") as info:
        projects.select("replication", "dev")
    assert info.value.exit_code == MISUSED
    assert len(str(info.value).splitlines()) == 1


def test_a_project_without_any_settings_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    projects = repository(tmp_path, replication={})
    said = r"^replication has no stack: there is no projects/replication/Pulumi\.<environment>\.yaml\.$"
    with pytest.raises(OperatorError, match=said):
        projects.stack("replication", "prod")
    with pytest.raises(OperatorError, match=said):
        projects.only_stack("replication")


def test_the_replications_one_stack_is_found_and_a_second_one_refused(projects: Projects, tmp_path: Path) -> None:
    assert projects.only_stack("replication") == StackId("replication", "prod")
    twice = repository(tmp_path / "twice", replication={"prod": "", "dev": ""})
    with pytest.raises(OperatorError, match="replication has a stack for dev and prod, and is made for one"):
        twice.only_stack("replication")


def test_a_suggested_command_goes_where_the_refused_one_went(projects: Projects) -> None:
    local = Projects(projects.repository, Where(local=True))
    assert local.command("deploy", local.stack("replication", "prod")) == "nox -s deploy -- replication prod --local"


def test_a_project_that_is_not_there_is_misuse(projects: Projects) -> None:
    with pytest.raises(OperatorError, match="one of storage, processing, replication") as info:
        projects.stack("storag", "dev")
    assert info.value.exit_code == MISUSED


def test_a_project_whose_dependencies_nobody_declared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"'?catalogue'? is not in .*DEPENDENCIES"):
        assert repository(tmp_path, catalogue={"dev": ""}).names


BROKEN = {
    "Latin-1": "config:\n  tags:author: Andr\xe9\n".encode("latin-1"),
    "no YAML": b"config: [unclosed",
    "a list": b"- 5",
}


def test_the_settings_of_another_stack_that_can_not_be_read_stop_no_command(projects: Projects) -> None:
    for bad in BROKEN.values():
        for path in projects.repository.glob("projects/*/Pulumi.*.yaml"):
            path.write_bytes(bad)
        assert projects.region == "us-east-1"
        assert projects.needs(StackId("processing", "dev")) == (StackId("storage", "dev"),)
        assert projects.needed_by(StackId("processing", "prod"), projects.every_stack()) == ()
        assert projects.needed_by(StackId("storage", "dev"), [StackId("processing", "dev")]) == (
            StackId("processing", "dev"),
        )


def test_what_a_replication_reads_from_is_not_guessed_from_settings_that_can_not_be_read(projects: Projects) -> None:
    (projects.folder("replication") / "Pulumi.prod.yaml").write_text("config:\n  replication:targets: 5\n")
    with pytest.raises(OperatorError, match="replication:targets is 5: it should be a list"):
        projects.needed_by(StackId("storage", "dev"), projects.every_stack())


def test_the_systems_region_is_that_of_its_last_stack(projects: Projects, tmp_path: Path) -> None:
    assert projects.region == "eu-west-1"
    assert repository(tmp_path / "other", storage={"dev": ""}).region == "us-east-1"


def test_the_repository_is_found_from_any_folder_in_it(projects: Projects, tmp_path: Path) -> None:
    assert find_repository(tmp_path / "projects" / "storage") == tmp_path


def test_outside_a_repository_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="not in a checkout"):
        find_repository(tmp_path)


def test_every_project_of_this_repository_is_declared_and_deployed_after_what_it_needs() -> None:
    projects = Projects(ROOT)
    assert set(projects.names) <= DEPENDENCIES.keys()
    stacks = projects.every_stack()
    assert stacks
    for number, stack in enumerate(stacks):
        assert set(projects.needs(stack)) <= set(stacks[:number])


def test_a_project_of_an_account_is_in_no_environment_and_has_no_instance(tmp_path: Path) -> None:
    both = {"storage": {"dev": ""}, "delivery": {"shared": "", "dev": ""}}
    projects = repository(tmp_path, **both)
    assert projects.every_stack() == projects.select(ALL, "dev") == (StackId("storage", "dev"),)
    assert projects.left_out(ALL, "dev") == ()
    assert projects.select("delivery", "shared") == (StackId("delivery", "shared"),)
    with pytest.raises(OperatorError, match="delivery is of an account, and has no instances") as info:
        Projects(tmp_path, Where(suffix="pr1")).stack("delivery", "shared")
    assert info.value.exit_code == MISUSED


def test_a_variable_that_names_an_instance_does_not_lead_to_another_stack_of_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "pr1")
    assert repository(tmp_path, delivery={"shared": ""}).stack("delivery", "shared").environment == "shared"

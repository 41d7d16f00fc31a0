"""A stack's configuration, and the sentence about each way to get it wrong."""

import contextvars
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import pytest
from pulumi.runtime import mocks, set_all_config, settings
from pydantic import Field

from pipeline_common.environments import Environment
from pipeline_common.infra.aws_provider import AwsConfig
from pipeline_common.infra.stack_config import StackConfig, StackConfigError, current_environment, load, stack_file
from pipeline_common.infra.stack_references import stack_name

T = TypeVar("T")
FILE = "projects/shop/Pulumi.dev.yaml: "


class Shelf(StackConfig):
    label: str = Field(description="what is on it", examples=["books"])
    height_cm: int = Field(default=30, ge=1)


class Shop(StackConfig):
    open_days: int = Field(ge=1, le=7, description="days it is open a week", examples=[5])
    parking: bool = False
    shelves: tuple[Shelf, ...] = ()


def in_stack(
    run: Callable[[], T],
    config: Mapping[str, str],
    stack: str = "dev",
    organization: str = "org",
    secret: Sequence[str] = (),
) -> T:
    """Run something as a program of the project `shop` does."""

    def inside() -> T:
        set_all_config(dict(config), list(secret))
        settings.configure(
            mocks.MockSettings(  # type: ignore[no-untyped-call]
                project="shop",
                stack=stack,
                organization=organization,
                monitor=None,
                engine=mocks.MockEngine(logging.getLogger()),
                dry_run=False,
            )
        )
        return run()

    return contextvars.copy_context().run(inside)


def refusal(config: Mapping[str, str]) -> str:
    with pytest.raises(StackConfigError) as caught:
        in_stack(lambda: load(Shop), config)
    return str(caught.value)


def test_text_becomes_what_the_fields_are_and_other_namespaces_are_left_alone() -> None:
    shelves: list[dict[str, Any]] = [{"label": "books"}, {"label": "[maps]", "heightCm": 40}]
    config = {"shop:openDays": "5", "shop:parking": "true", "shop:shelves": json.dumps(shelves), "aws:region": "x"}
    assert in_stack(lambda: load(Shop), config) == Shop.model_validate(
        {"openDays": 5, "parking": True, "shelves": [{"label": "books"}, {"label": "[maps]", "heightCm": 40}]}
    )


def test_it_can_not_be_changed() -> None:
    loaded = in_stack(lambda: load(Shop), {"shop:openDays": "5"})
    with pytest.raises(ValueError, match="frozen"):
        loaded.open_days = 6


def test_a_missing_key_is_named_with_its_meaning_and_what_to_write() -> None:
    assert (
        refusal({}) == f"{FILE}shop:openDays is missing (days it is open a week); write for example `shop:openDays: 5`."
    )


def test_a_wrong_value_is_shown_with_what_it_should_be() -> None:
    assert refusal({"shop:openDays": "9"}) == (
        f"{FILE}shop:openDays is '9' (days it is open a week): it should be less than or equal to 7; "
        "write for example `shop:openDays: 5`."
    )


def test_an_unknown_key_is_refused_with_the_one_that_was_meant_or_all_there_are() -> None:
    config = {"shop:openDays": "5"}
    assert refusal({**config, "shop:openDay": "5"}) == f"{FILE}shop:openDay is not a setting; did you mean openDays?"
    assert "shop:zzz is not a setting; remove it (the settings are openDays, parking, shelves)" in refusal(
        {**config, "shop:zzz": "5"}
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("shpo:openDays", "shpo:openDays is not a setting; did you mean shop:openDays?"),
        ("Shop:openDays", "Shop:openDays is not a setting; did you mean shop:openDays?"),
        ("aw:region", "aw:region is not a setting; did you mean aws:region?"),
        ("tag:team", "tag:team is not a setting; did you mean tags:team?"),
        ("pulum:tags", "pulum:tags is not a setting; did you mean pulumi:tags?"),
        (
            "warehouse:size",
            "warehouse:size is not a setting; remove it (shop:, aws:, tags:, pulumi:, pipeline: are read here).",
        ),
        (
            "pipeline:suffix",
            "pipeline:suffix is not a setting; remove it (the settings are environmentSuffix, permissionsBoundary).",
        ),
        (
            "pulumi:disable-default-provider",
            "pulumi:disable-default-provider is not a setting; did you mean disable-default-providers?",
        ),
    ],
)
def test_a_key_that_nobody_reads_is_refused_with_the_one_that_was_meant(key: str, said: str) -> None:
    assert refusal({"shop:openDays": "5", key: "7"}) == f"{FILE}{said}"


def test_a_key_of_a_misspelt_namespace_is_told_beside_the_one_that_is_missing_for_it() -> None:
    stranger, missing = refusal({"shpo:openDays": "5"}).splitlines()
    assert stranger == f"{FILE}shpo:openDays is not a setting; did you mean shop:openDays?"
    assert missing.startswith(f"{FILE}shop:openDays is missing")


def test_pulumis_own_settings_and_those_of_every_stack_are_no_strangers() -> None:
    own = {"pulumi:autonaming": "{}", "pulumi:disable-default-providers": '["aws"]', "pulumi:tags": "{}"}
    config = {"shop:openDays": "5", "aws:region": "us-east-1", "tags:team": "data", **own}
    assert in_stack(lambda: load(Shop), config).open_days == 5


@pytest.mark.parametrize(
    ("shelves", "said"),
    [
        ("5", ["shop:shelves is '5': it should be a list"]),
        ("[5]", ["shop:shelves[0] is 5: it should be a mapping"]),
        ('[{"label": "books", "heightCm": 0}]', ["shop:shelves[0].heightCm is 0: it should be greater than or equal"]),
        ("[]", ["shop:shelves is []: it should have at least 1 item"]),
    ],
)
def test_what_is_wrong_with_a_list_is_said_once_and_in_the_words_of_yaml(shelves: str, said: list[str]) -> None:
    class Aisle(StackConfig):
        shelves: tuple[Shelf, ...] = Field(min_length=1)

    with pytest.raises(StackConfigError) as caught:
        in_stack(lambda: load(Aisle), {"shop:shelves": shelves})
    lines = str(caught.value).splitlines()
    assert [line.startswith(FILE + start) for line, start in zip(lines, said, strict=True)] == [True] * len(said)


def test_a_nested_key_is_named_with_its_place() -> None:
    config = {"shop:openDays": "5", "shop:shelves": json.dumps([{"label": "a"}, {"labels": "b", "heightCm": 0}])}
    lines = refusal(config).splitlines()
    assert "shop:shelves[1].label is missing (what is on it)" in lines[0]
    assert any("shop:shelves[1].heightCm is 0" in line for line in lines)
    assert any("shop:shelves[1].labels is not a setting; did you mean label?" in line for line in lines)


class Bell(StackConfig):
    codes: tuple[Annotated[str, Field(pattern="^[0-9]+$")], ...] = Field(default=(), examples=[["1234"]])


class Door(StackConfig):
    bell: Bell = Bell()
    height_cm: int = Field(default=200, ge=1, examples=[200])


def test_an_entry_that_is_refused_is_answered_by_an_example_of_its_whole_list() -> None:
    with pytest.raises(StackConfigError) as caught:
        in_stack(lambda: load(Door), {"shop:bell": '{"codes": ["1", "x"]}'})
    assert str(caught.value).startswith(f"{FILE}shop:bell.codes[1] is 'x': ")
    assert str(caught.value).endswith('; write for example `shop:bell.codes: ["1234"]`.')


def test_the_value_of_a_secret_is_not_shown() -> None:
    config = {"shop:bell": '{"codes": ["s3cret"]}', "shop:heightCm": "s3cret"}
    with pytest.raises(StackConfigError) as caught:
        in_stack(lambda: load(Door), config, secret=list(config))
    bell, height = str(caught.value).splitlines()
    assert bell.startswith(f"{FILE}shop:bell.codes[0] is not right, and secret: String should match")
    assert height.startswith(f"{FILE}shop:heightCm is not right, and secret: it should be a valid integer")
    assert "s3cret" not in str(caught.value)


def test_text_that_only_looks_like_json_is_text() -> None:
    assert "shop:shelves is '[oops'" in refusal({"shop:openDays": "5", "shop:shelves": "[oops"})


def test_a_stack_is_named_after_its_environment_or_an_instance_of_it() -> None:
    assert in_stack(current_environment, {}, stack="qa") == Environment("qa")
    assert in_stack(current_environment, {}, stack="dev-pr5400") == Environment("dev", "pr5400")


def test_an_instances_configuration_stands_in_its_environments_file() -> None:
    assert in_stack(stack_file, {}, stack="dev-pr5400") == "projects/shop/Pulumi.dev.yaml"


def test_a_stack_that_is_named_otherwise_is_refused() -> None:
    with pytest.raises(StackConfigError, match=r"^Stack 'Dev' is not named as a stack of the pipeline.*lower-case"):
        in_stack(current_environment, {}, stack="Dev")


def test_a_stacks_full_name_has_the_running_programs_organization_or_a_given_one() -> None:
    assert in_stack(lambda: stack_name("shop", Environment("dev")), {}, organization="acme") == "acme/shop/dev"
    assert stack_name("shop", Environment("prod", "pr1"), "organization") == "organization/shop/prod-pr1"


def test_a_key_pair_in_the_configuration_is_for_a_local_cloud_alone() -> None:
    config = {"aws:region": "us-east-1", "aws:accessKey": "test", "aws:secretKey": "test"}
    with pytest.raises(StackConfigError, match="for a local cloud with aws:endpoints"):
        in_stack(lambda: load(AwsConfig, "aws"), config)
    config["aws:endpoints"] = json.dumps({"s3": "http://127.0.0.1:4566"})
    assert in_stack(lambda: load(AwsConfig, "aws"), config).endpoints == {"s3": "http://127.0.0.1:4566"}


def test_an_endpoint_of_no_service_is_refused() -> None:
    config = {"aws:region": "us-east-1", "aws:endpoints": json.dumps({"lambda": "http://l", "s33": "http://s"})}
    with pytest.raises(StackConfigError, match=r"aws:endpoints is .*: s33: the AWS provider knows no such service; "):
        in_stack(lambda: load(AwsConfig, "aws"), config)


def test_an_account_that_yaml_has_made_a_number_is_refused() -> None:
    config = {"aws:region": "us-east-1", "aws:allowedAccountIds": "[111122223333]"}
    with pytest.raises(StackConfigError, match=r"aws:allowedAccountIds\[0\] is 111122223333 .*quoted"):
        in_stack(lambda: load(AwsConfig, "aws"), config)

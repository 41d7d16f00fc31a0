"""Reading a committed `Pulumi.<environment>.yaml`: each way to break it is one sentence with the file and the fix."""

from pathlib import Path

import pytest

from pipeline_ops.errors import OperatorError
from pipeline_ops.stack_settings import StackSettings, read_settings

NAME = "projects/storage/Pulumi.dev.yaml"


def read(folder: Path, content: bytes | str) -> StackSettings:
    path = folder / "Pulumi.dev.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_settings(path, NAME)


def refusal(folder: Path, content: bytes | str) -> str:
    with pytest.raises(OperatorError) as caught:
        read(folder, content)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.startswith(NAME)
    return said


@pytest.mark.parametrize("content", ["", "# nothing\n", "config:\n", "config: {}\n", "encryptionsalt: v1:x\n"])
def test_a_file_without_configuration_has_none(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content).config == {}


def test_a_mark_of_the_byte_order_is_no_key(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffconfig:\n  aws:region: eu-west-1\n").text("aws:region") == "eu-west-1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "config:\n  tags:author: Andr\xe9\n".encode("latin-1"),
            " is not UTF-8 text: line 2 has the byte 0xe9; save it ",
        ),
        ("config:\n  a: 1\n".encode("utf-16"), " is not UTF-8 text: line 1 has the byte 0xff; save it as UTF-8."),
        ("config: [unclosed", " is not YAML in line 1, column 18: while parsing a flow sequence, expected ',' or ']'"),
        ("config:\n  a: b: c\n", " is not YAML in line 2, column 7: mapping values are not allowed here."),
        ("config:\n\ta: 1\n", " is not YAML in line 2, column 1: while scanning for the next token, found character"),
        ("config: \x00", " is not YAML: "),
        ("config:\n  tags:createdAt: 2026-99-99\n", " is not YAML: month must be in 1..12."),
        ("config: " + "[" * 5000, " is not YAML: "),
        ("config: {[a]: b}", " is not YAML in line 1, column 10: while constructing a mapping, found unhashable key."),
        ("- config", " is not a mapping with `config:` at its top"),
        ("just text", " is not a mapping with `config:` at its top"),
        ("config: [a]", " is not a mapping with `config:` at its top"),
        ("config: 5", " is not a mapping with `config:` at its top"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_with_what_is_wrong_and_where(
    tmp_path: Path, content: bytes | str, said: str
) -> None:
    assert refusal(tmp_path, content).startswith(NAME + said)


def test_a_file_that_can_not_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=f"^{NAME} can't be read: Is a directory.$"):
        read_settings(tmp_path, NAME)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("aws:allowedAccountIds: 5", "aws:allowedAccountIds is 5: it should be a list; write for example `"),
        ("aws:allowedAccountIds: '111122223333'", "aws:allowedAccountIds is '111122223333': it should be a list"),
        (
            "aws:allowedAccountIds: [111122223333]",
            'aws:allowedAccountIds[0] is 111122223333: it should be a text; write for example `"111122223333", with',
        ),
        (
            "aws:region: [eu-west-1]",
            "aws:region is ['eu-west-1']: it should be a text; write for example `aws:region: \"...\"`.",
        ),
        (
            "replication:targets: 5",
            "replication:targets is 5: it should be a list; "
            "write for example `replication:targets: [{environment: dev}]`.",
        ),
        ("replication:targets: dev", "replication:targets is 'dev': it should be a list"),
        (
            "replication:targets: {environment: dev}",
            "replication:targets is {'environment': 'dev'}: it should be a list",
        ),
        ("replication:targets: [{}, dev]", "replication:targets[1] is 'dev': it should be a mapping"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_file_key_and_what_to_write(
    tmp_path: Path, config: str, said: str
) -> None:
    def read_all() -> None:
        settings = read(tmp_path, f"config:\n  {config}\n")
        settings.text("aws:region")
        settings.texts("aws:allowedAccountIds")
        settings.mappings("replication:targets", "[{environment: dev}]")

    with pytest.raises(OperatorError) as caught:
        read_all()
    assert str(caught.value).startswith(f"{NAME}: {said}")

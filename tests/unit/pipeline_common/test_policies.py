"""Policy documents."""

import pytest

from pipeline_common.infra.policies import (
    allow,
    assume_role,
    deny_insecure_transport,
    document,
    from_account,
    objects,
    service,
)


def test_a_roles_statement_names_no_principal_and_a_resources_does() -> None:
    assert "Principal" not in allow("Read", ["s3:GetObject"], ["arn:aws:s3:::b/*"])
    assert allow("Read", ["s3:GetObject"], ["arn"], principal=service("events"))["Principal"] == {
        "Service": "events.amazonaws.com"
    }


@pytest.mark.parametrize("action", ["*", "s3:*", "s3:Get*"])
def test_an_action_by_wildcard_is_never_allowed(action: str) -> None:
    with pytest.raises(ValueError, match="name the actions one by one"):
        allow("Much", ["sqs:SendMessage", action], ["arn"])


def test_a_condition_keeps_another_accounts_use_of_a_service_out() -> None:
    statement = allow("Send", ["sqs:SendMessage"], ["arn"], conditions=from_account("111122223333"))
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def test_calls_without_tls_are_denied_to_everyone() -> None:
    statement = deny_insecure_transport("sqs:*", ["arn"])
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_document_keeps_the_order_of_its_statements() -> None:
    first, second = allow("A", ["s3:GetObject"], ["a"]), allow("B", ["s3:PutObject"], ["b"])
    assert document(first, second) == {"Version": "2012-10-17", "Statement": [first, second]}
    assert assume_role(service("lambda"))["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_objects_under_a_prefix_are_those_even_where_it_has_a_policys_own_characters() -> None:
    assert objects("arn:aws:s3:::b", ["a/", ""]) == ["arn:aws:s3:::b/a/*", "arn:aws:s3:::b/*"]
    assert objects("arn:aws:s3:::b", ["a*b?$/"]) == ["arn:aws:s3:::b/a${*}b${?}${$}/*"]

"""What IAM would answer: enough of its evaluation for this repository's policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
Knows identity and resource policies of one account, wildcards, escaped ones, and the condition operators in use; any
other operator is an error here, so that no condition is passed over.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["allows"]


def allows(
    document: Mapping[str, Any],
    action: str,
    resource: str,
    *,
    principal: str | None = None,
    context: Mapping[str, str] | None = None,
) -> bool:
    """Tell whether the policy allows the call: some statement allows it, and none denies it.

    For a policy on a resource, `principal` is who calls: an ARN, or a service such as `events.amazonaws.com`.
    """
    effects = {
        statement["Effect"]
        for statement in document["Statement"]
        if _applies(statement, action, resource, principal, context or {})
    }
    return "Allow" in effects and "Deny" not in effects


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, principal: str | None, context: Mapping[str, str]
) -> bool:
    return (
        any(_matches(pattern, action, ignore_case=True) for pattern in _listed(statement["Action"]))
        and any(_matches(pattern, resource) for pattern in _listed(statement.get("Resource", resource)))
        and _is_principal(statement.get("Principal"), principal)
        and all(_holds(operator, keys, context) for operator, keys in dict(statement.get("Condition", {})).items())
    )


def _is_principal(stated: Any, principal: str | None) -> bool:
    if stated is None or principal is None:
        return stated is None and principal is None
    named = [name for names in stated.values() for name in _listed(names)]
    return "*" in named or principal in named


def _holds(operator: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if operator in {"StringNotEquals", "ArnNotLike"}:  # of what is not there, too
        denied = operator.replace("Not", "")
        return all(not _holds(denied, {key: wanted}, context) for key, wanted in keys.items())
    if operator not in {"StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool", "Null"}:
        raise NotImplementedError(f"the condition {operator}")
    if operator == "Null":
        return all((key not in context) is (wanted == "true") for key, wanted in keys.items())
    if operator in {"ArnEquals", "ArnLike", "StringLike"}:  # all of them take wildcards
        return all(any(_matches(one, context.get(key, "")) for one in _listed(wanted)) for key, wanted in keys.items())
    return all(key in context and context[key] in _listed(wanted) for key, wanted in keys.items())


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    tokens = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    expression = "".join(
        {"*": ".*", "?": "."}.get(token) or re.escape(token[2] if token.startswith("${") else token) for token in tokens
    )
    return re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None

"""Each role that a workflow takes is there, and trusts the run that takes it."""

from collections.abc import Iterator

import pytest

from tests.infra.test_delivery import MAIN, MERGE, REPOSITORY, ROLES, TAG, trusts
from tests.workflows.definitions import jobs

REFS = {"deploy": MAIN, "drift": MAIN, "release": TAG, "preview": MERGE, "instance": MERGE}
"""The ref of each workflow's runs."""


def taken() -> Iterator[tuple[str, str, str]]:
    for workflow, _, job in jobs():
        for step in job["steps"]:
            role = step.get("with", {}).get("role")
            if role:
                ref = REFS[workflow]
                without = "pull_request" if ref == MERGE else f"ref:{ref}"
                yield role, f"environment:{job['environment']}" if "environment" in job else without, ref


@pytest.mark.parametrize(("role", "subject", "ref"), sorted(set(taken())))
def test_a_role_trusts_the_run_that_takes_it(role: str, subject: str, ref: str) -> None:
    assert trusts(role, f"repo:{REPOSITORY}:{subject}", ref)


def test_every_role_is_taken_by_a_workflow() -> None:
    assert {role for role, _, _ in taken()} == set(ROLES)

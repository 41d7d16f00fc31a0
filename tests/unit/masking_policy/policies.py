"""A policy's file that nothing is wrong with, to be changed line by line."""

from masking_policy.compiler import CheckedPolicy, compile_policy
from masking_policy.faults import Fault, PolicyFileError
from masking_policy.stored import StoredData

FILE = "policies/dev.yaml"

WHOLE = """\
version: 1
generation: 1
unclassified: refuse
namespaces: {customer: {}, mail: {}}
datasets:
  orders:
    key: {id: {pseudonym: customer, prefix: c_}, timestamp: keep}
    attributes:
      amount: {keep: {type: N, reason: no person}}
      email: {email: mail}
      phone: {digits: {keep_last: 3}}
      born: {bucket: year}
      address.*: drop
      contacts[].name: {fake: names}
      scores{}: {names: {pseudonym: customer}, values: keep}
      note: {replace: "[removed]"}
    where: {status: {in: [open, paid]}, total: {above: 10}, hidden: {exists: false}}
    deletes: keep
  files:
    rules:
      - match: incoming/{customer}/{file}.csv.gz
        key: {customer: {pseudonym: customer}, file: keep}
        body: {format: csv, columns: {id: {pseudonym: customer, prefix: c_}, timestamp: keep, amount: keep}}
        metadata: {"*": drop}
        tags: {"*": drop}
      - match: assets/**
        body: {opaque: {reason: no person}}
        headers: {ContentDisposition: drop}
    tags: {public: {equals: yes}}
sample: {namespace: customer, percent: 10}
brake: {deletes: 1000, share: 20, minutes: 10}
"""


def changed(*replacements: tuple[str, str]) -> str:
    """The whole file with other text in some places; each place has to be there once."""
    text = WHOLE
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def faults(text: str | bytes, stored: StoredData | None = None) -> tuple[Fault, ...]:
    """All that is wrong with a file."""
    try:
        compile_policy(text, FILE, stored)
    except PolicyFileError as error:
        return error.faults
    return ()


def compiled(text: str = WHOLE, stored: StoredData | None = None) -> CheckedPolicy:
    """What a file that nothing is wrong with says."""
    return compile_policy(text, FILE, stored)

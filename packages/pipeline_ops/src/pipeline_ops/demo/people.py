"""The demo's customers: nobody. What is planted of them in production, a hunt looks for everywhere else.

Their addresses are of domains, and their numbers of ranges, that are kept for examples and fiction:
https://www.rfc-editor.org/rfc/rfc2606 and
https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["CUSTOMERS", "PASSPORT", "SIGNATURE", "Customer", "planted_keys", "planted_values"]

PASSPORT = "FICTION-C01X00T47"
"""Of what no rule of the policy knows."""

SIGNATURE = bytes(range(160, 200))


@dataclass(frozen=True)
class Customer:
    """A customer as production knows one."""

    name: str
    email: str
    phone: str
    born: str
    street: str
    card: str
    iban: str

    def id(self, run: str) -> str:
        """Return the customer's own id in a run of the demo: it tells the name, as careless ids do."""
        return f"{self.name.lower().replace(' ', '.')}-{run}"


CUSTOMERS = (
    Customer(
        name="Philippa Fiktiv",
        email="philippa.fiktiv@mail.example",
        phone="+44 20 7946 0018",
        born="1984-03-17",
        street="17 Nowhere Lane",
        card="4111 1111 1111 1111",
        iban="GB33 BUKB 2020 1555 5555 55",
    ),
    Customer(
        name="Basil Beispiel",
        email="b.beispiel@post.example",
        phone="+44 1632 960 983",
        born="1991-11-30",
        street="Erfundene Gasse 4",
        card="5555 5555 5555 4444",
        iban="DE02 1203 0000 0000 2020 51",
    ),
    Customer(
        name="Noemi Nirgendwo",
        email="noemi@nirgendwo.example",
        phone="+44 29 2018 0555",
        born="1977-07-08",
        street="Hinter dem Mond 9",
        card="3782 822463 10005",
        iban="FR14 2004 1010 0505 0001 3M02 606",
    ),
)


def planted_values() -> Mapping[str, str | bytes]:
    """Return what of the customers may stand in production's own buckets and tables alone."""
    values = {
        f"the {field.name} of customer {number}": getattr(customer, field.name)
        for number, customer in enumerate(CUSTOMERS, start=1)
        for field in fields(Customer)
    }
    return {**values, "a passport": PASSPORT, "a signature": SIGNATURE}


def planted_keys(run: str) -> Mapping[str, str]:
    """Return what of them stands in keys: production's own queues, dead letters and logs name those."""
    return {f"the id of customer {number}": customer.id(run) for number, customer in enumerate(CUSTOMERS, start=1)}

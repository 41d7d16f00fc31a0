"""Names of nobody: tables of our own, pinned, that a fake value is drawn from by the digest of the true one. Pure.

A table is never changed, since every replica's value is drawn from it: a policy that wants others names another.
"""

from collections.abc import Mapping

__all__ = ["TABLES", "fake"]

_FIRST = (
    "Ada Alma Anton Arno Bea Bela Boris Carla Cem Clara Dana David Dora Edgar Ella Emil Enzo Eva Fabio Fee "
    "Fina Finn Greta Gus Hanna Hugo Ida Igor Ines Iris Ivo Jana Jonas Juno Karl Kira Lars Lea Lena Leo Liam "
    "Lina Mara Mats Mia Milo Nele Nico Nora Olga Omar Otto Paul Pia Rosa Ruth Sami Sara Theo Tom Una Vera Yuri "
    "Zoe"
)
_LAST = (
    "Abel Adler Amsel Anders Bach Baker Birk Blum Brandt Brook Castle Cook Dorn Eder Elm Falk Field Fink Fox "
    "Frost Gold Gray Haas Hahn Hart Hill Holt Hunt Iller Jung Kern Klee Koch Lake Lang Lenz Lind Marsh Meer "
    "Moss Nagel North Oak Ode Park Pohl Quist Reed Roth Sand Seidel Stein Stern Stone Tanner Thorn Ulm Vale "
    "Vogel Wald Weber West Winter Zorn"
)
_CITIES = (
    "Altbrück Ashmere Birkenthal-Nord Brackwater Cedar-Hollow Dornfeld Eastmoor Elmsworth Falkenried Fernhill "
    "Goldbach-Süd Greywater Hainfurt Hazelby Ilmenstadt Kaltwasser-Ost Kingsholm Lakeborough Lindenrode "
    "Mapleton-Vale Neuwaldau Northmere Oakhampton-Ley Ottersbach Pinewick Quellendorf Ravensby Rosenfurt "
    "Sandhafen Stonebridge-End Tannrode Westerlohe"
)
_STREETS = (
    "Ahornweg Amselgasse Birkenallee Brunnenweg Buchenring Drosselstieg Eichenweg Erlengrund Fasanenweg "
    "Finkenschlag Ginsterweg Hasenpfad Heideweg Holunderweg Igelgasse Kiefernweg Kleeweg Lerchenweg Lindenweg "
    "Malvenweg Meisenring Mohnweg Nelkenweg Pappelallee Quittenweg Rosenhag Sperlingsgasse Tannenring Ulmenweg "
    "Veilchenweg Weidenpfad Zedernweg"
)
_BUSINESSES = (
    "Anchor Beacon Birch Bridge Cedar Cobalt Copper Delta Ember Falcon Granite Harbour Heron Indigo Juniper "
    "Lantern Maple Meridian Nimbus Orchard Pebble Quartz Raven Sable Saffron Summit Tidal Umber Vertex Willow "
    "Yonder Zephyr"
)
_FORMS = "Trading Works Logistics Supplies Partners Foods Tools Textiles"
_NUMBERS = " ".join(map(str, range(1, 100)))

_WRITTEN = {
    "names": (_FIRST, _LAST),
    "cities": (_CITIES,),
    "streets": (_STREETS, _NUMBERS),
    "companies": (_BUSINESSES, _FORMS),
}
TABLES: Mapping[str, tuple[list[str], ...]] = {
    name: tuple(part.split() for part in parts) for name, parts in _WRITTEN.items()
}
"""What a fake value of each kind is made up of."""


def fake(table: str, digest: bytes) -> str:
    """Return the value that a digest draws from a table."""
    number, parts = int.from_bytes(digest, "big"), []
    for part in TABLES[table]:
        number, position = divmod(number, len(part))
        parts.append(part[position])
    return " ".join(parts)

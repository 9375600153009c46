"""CATH: domains cut out of PDB entries, such as `1cukA01`. The worked example of a database that is added."""

import re
from collections.abc import Mapping

from builders.structures.databases.services import Services
from builders.structures.databases.sources import Candidate, register

_DOMAIN = re.compile(r"([0-9][a-z0-9]{3})([a-z0-9])([0-9]{2})", re.ASCII | re.IGNORECASE)


class Cath:
    """Domains of CATH by their ids: entry, chain, number of the domain (00: the whole chain)."""

    name = "cath"
    services: Mapping[str, str] = {"cath": "https://www.cathdb.info"}
    formats = ("pdb",)

    def claim(self, text: str) -> str | None:
        """A domain's id; a chain `a` is not a chain `A`."""
        match = _DOMAIN.fullmatch(text)
        return match[1].lower() + match[2] + match[3] if match else None

    def candidates(self, id: str, services: Services) -> list[Candidate]:
        """The domain itself: whether it is there is seen when its file is fetched."""
        return [Candidate(self.name, id)]

    def places(self, candidate: Candidate, format: str, services: Services) -> list[str]:
        """Its coordinates, as a service of CATH cuts them out."""
        return services.places("cath", f"/version/v4_3_0/api/rest/id/{candidate.entry_id}.{format}")

    def check(self, data: bytes, format: str, name: str) -> None:
        """What CATH cuts out need not end as a file of the PDB does."""


register(Cath())

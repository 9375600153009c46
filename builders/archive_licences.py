"""The archives that data comes from: how their entries are cited, and under which licence they are given away."""

import re
from collections.abc import Callable
from dataclasses import dataclass

LICENSES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0
    etalab-2.0 eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0
    grok2-community h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2
    llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openmdw-1.1 openrail
    openrail++ osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
    """.split()
)
"""Identifiers that the Hub takes (https://huggingface.co/docs/hub/repositories-licenses, as of August 2026)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive.

    Attributes:
        name: its own.
        homepage: its URL.
        license: of all its entries, an identifier of the Hub.
        citation: the papers that it asks to cite, one a line; empty where only entries are cited.
        pattern: what an entry's name looks like; the first group is what the URLs are made of.
        doi: makes the DOI of an entry; None where entries have none.
        page: makes the URL of an entry.
    """

    name: str
    homepage: str
    license: str
    citation: str
    pattern: re.Pattern[str]
    doi: Callable[[str], str] | None
    page: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an archive.

    Attributes:
        archive: the archive's name.
        name: as the archive spells it.
        doi: such as `10.6019/EMPIAR-10943`; None where it has none.
        url: its page.
    """

    archive: str
    name: str
    doi: str | None
    url: str


ARCHIVES = {
    "empiar": Archive(
        name="EMPIAR",
        homepage="https://www.ebi.ac.uk/empiar/",
        license="cc0-1.0",
        citation="",
        pattern=re.compile(r"(EMPIAR-[1-9][0-9]{4,6})", re.ASCII),
        doi="10.6019/{}".format,
        page="https://www.ebi.ac.uk/empiar/{}/".format,
    ),
    "pdb": Archive(
        name="PDB",
        homepage="https://www.wwpdb.org/",
        license="cc0-1.0",
        citation="Berman et al., The Protein Data Bank, Nucleic Acids Research 28, 235 (2000),"
        " https://doi.org/10.1093/nar/28.1.235",
        pattern=re.compile(r"([0-9][a-z0-9]{3})", re.ASCII),
        doi="10.2210/pdb{}/pdb".format,
        page="https://www.rcsb.org/structure/{}".format,
    ),
    "alphafold": Archive(
        name="AlphaFold DB",
        homepage="https://alphafold.ebi.ac.uk/",
        license="cc-by-4.0",
        citation="Jumper et al., Highly accurate protein structure prediction with AlphaFold, Nature 596, 583 (2021),"
        " https://doi.org/10.1038/s41586-021-03819-2\n"
        "Varadi et al., AlphaFold Protein Structure Database, Nucleic Acids Research 50, D439 (2022),"
        " https://doi.org/10.1093/nar/gkab1061",
        pattern=re.compile(r"AF-([A-Z0-9]{6,10}(?:-[0-9]+)?)-F[1-9][0-9]{0,3}", re.ASCII),
        doi=None,
        page="https://alphafold.ebi.ac.uk/entry/{}".format,
    ),
    "cath": Archive(
        name="CATH",
        homepage="https://www.cathdb.info/",
        license="cc-by-4.0",
        citation="Sillitoe et al., CATH: increased structural coverage of functional space,"
        " Nucleic Acids Research 49, D266 (2021), https://doi.org/10.1093/nar/gkaa1079",
        pattern=re.compile(r"([0-9][a-z0-9]{3}[A-Za-z0-9][0-9]{2})", re.ASCII),
        doi=None,
        page="https://www.cathdb.info/version/latest/domain/{}".format,
    ),
}
"""By the name that rows and options have for them."""


def entry_of(archive: str, name: str) -> Entry | None:
    """An entry of one of the archives; None for what is no name of an entry there.

    Example:
        >>> entry_of("pdb", "4v1w")
        Entry(archive='PDB', name='4v1w', doi='10.2210/pdb4v1w/pdb', url='https://www.rcsb.org/structure/4v1w')
        >>> entry_of("empiar", "10943 <script>")
    """
    known = ARCHIVES.get(archive)
    match = known.pattern.fullmatch(name) if known is not None else None
    if known is None or match is None:
        return None
    return Entry(known.name, name, None if known.doi is None else known.doi(match[1]), known.page(match[1]))


def license_of(archives: set[str]) -> str | None:
    """The licence under which data of several archives, by their names here, may be given away together.

    Example:
        >>> license_of({"pdb"}), license_of({"pdb", "alphafold"}), license_of({"pdb", "another"})
        ('cc0-1.0', 'cc-by-4.0', None)
    """
    if not archives or not archives <= set(ARCHIVES):
        return None
    return max((ARCHIVES[name].license for name in archives), key=lambda license: license != "cc0-1.0")

"""How an entry is to be cited: what its metadata say of papers, and of its own authors. Text in, lines of text out."""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

_RESOLVER = re.compile(r"(?:https?://)?(?:dx\.)?doi\.org/|doi:\s*", re.IGNORECASE)
_DOI = re.compile(r"10\.[0-9]{4,9}/\S+")
_PAIR = re.compile(r"""\((['"])(?P<last>.*)\1\s*,\s*(['"])(?P<first>.*)\3\)""")
"""A name as depositions spell it: `('De Biasio', 'A')`."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper, or a book; what is not known is empty.

    Attributes:
        authors: their names, last names first, in the paper's order.
        title: of the paper.
        journal: or the publisher of a book.
        volume: with the issue in brackets.
        pages: the first and the last one.
        year: when it came out.
        doi: without what stands before it in a URL.
        pubmed: its number in PubMed.
    """

    authors: tuple[str, ...] = ()
    title: str = ""
    journal: str = ""
    volume: str = ""
    pages: str = ""
    year: str = ""
    doi: str = ""
    pubmed: str = ""

    def __str__(self) -> str:
        r"""The paper in one line.

        Example:
            >>> print(Paper(("Kühl A", "De Biasio A"), "On ice", "Nature", "12(1)", "3-4", "2021", "10.1/x", "7"))
            Kühl A, De Biasio A, On ice, Nature 12(1), 3-4 (2021), https://doi.org/10.1/x, PMID 7
        """
        place = ", ".join(filter(None, (f"{self.journal} {self.volume}".strip(), self.pages)))
        issued = f"{place} ({self.year})" if self.year and place else place or self.year
        doi = f"https://doi.org/{self.doi}" if self.doi else ""
        pubmed = f"PMID {self.pubmed}" if self.pubmed else ""
        return ", ".join(filter(None, (*self.authors, self.title, issued, doi, pubmed)))


def citation(papers: Iterable[Paper], entry: Paper) -> str:
    """The papers of an entry, one a line; where there are none, the entry itself, if its authors are known."""
    lines = dict.fromkeys(str(paper) for paper in papers if paper.title or paper.doi or paper.pubmed)
    return "\n".join(filter(None, lines)) or (str(entry) if entry.authors else "")


def papers_of_api(citations: Any) -> list[Paper]:
    """The papers that an answer of the API tells of."""
    found = citations if isinstance(citations, list) else [citations]
    return [_paper(facts, authors(facts.get("authors"))) for facts in found if isinstance(facts, Mapping)]


def papers_of_xml(entry: ElementTree.Element, namespace: str) -> list[Paper]:
    """The papers that an entry's XML tells of."""
    found = entry.findall(f"{namespace}crossReferences/{namespace}citationList/{namespace}universalCitation/*")
    return [_of_xml(paper, namespace) for paper in found]


def _of_xml(paper: ElementTree.Element, namespace: str) -> Paper:
    facts: dict[str, Any] = {}
    for node in paper:
        name = node.tag.removeprefix(namespace) if isinstance(node.tag, str) else ""
        if name == "externalReferences":
            name = (node.get("type") or "").lower()
        facts.setdefault(_API_NAMES.get(name, name), node.text)
    return _paper(facts, xml_authors(paper.findall(f"{namespace}author")))


_API_NAMES = {
    "journalAbbreviation": "journal_abbreviation",
    "firstPage": "first_page",
    "lastPage": "last_page",
    "pubmed": "pubmedid",
    "chapterTitle": "book_chapter_title",
    "thesisTitle": "title",
}
"""Of what the XML calls otherwise than the API."""


def _paper(facts: Mapping[str, Any], names: tuple[str, ...]) -> Paper:
    def told(*keys: str) -> str:
        return next(filter(None, (line(facts.get(key)) for key in keys)), "")

    issue, pages = told("issue"), dict.fromkeys(filter(None, (told("first_page"), told("last_page"))))
    return Paper(
        names,
        ", ".join(dict.fromkeys(filter(None, (told("book_chapter_title"), told("title"))))).rstrip(". "),
        told("journal", "journal_abbreviation", "publisher"),
        told("volume") + (f"({issue})" if issue else ""),
        "-".join(pages),
        told("year"),
        bare_doi(told("doi")),
        told("pubmedid"),
    )


def authors(people: Any) -> tuple[str, ...]:
    """Names by what the API says of people, in the order that they have themselves."""
    people = people if isinstance(people, list) else []
    facts = [person.get("author", person) if isinstance(person, Mapping) else person for person in people]
    places = [person.get("order_id", "") if isinstance(person, Mapping) else "" for person in facts]
    return _in_order([_name(person) for person in facts], places)


def xml_authors(nodes: Iterable[ElementTree.Element]) -> tuple[str, ...]:
    """Names by their elements in an XML file, in the order that they have themselves."""
    nodes = list(nodes)
    return _in_order([_name("".join(node.itertext())) for node in nodes], [node.get("order", "") for node in nodes])


def _in_order(names: list[str], places: list[Any]) -> tuple[str, ...]:
    """Names by their places, where all of them have one; as they came otherwise. Two people may have one name."""
    numbers = [int(place) for place in map(str, places) if place.isdecimal() and len(place) < 9]
    if len(set(numbers)) == len(names):
        names = [name for _, name in sorted(zip(numbers, names, strict=True))]
    return tuple(filter(None, names))


def _name(person: Any) -> str:
    """A name with the last name first, in whichever form it came; groups have theirs as it is.

    Example:
        >>> _name("('De Biasio', 'A')"), _name("Lancey, C."), _name({"first_name": "Yi-Wei", "last_name": "Chang"})
        ('De Biasio A', 'Lancey C.', 'Chang Yi-Wei')
    """
    if isinstance(person, Mapping):
        name = line(person.get("name"))
        if not name:
            parts = [line(person.get(part)) for part in ("last_name", "first_name", "middle_name")]
            return " ".join(filter(None, parts)) or line(person.get("organization"))
        return _name(name)
    name = line(person)
    pair = _PAIR.fullmatch(name)
    if pair is not None:
        name = f"{pair['last']} {pair['first']}".strip()
    return re.sub(r"\s*,\s*", " ", name).strip()


def line(value: Any) -> str:
    """Remote text in one line without control characters and entities; nothing for null, digits for numbers."""
    if value is None or isinstance(value, list | dict | bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = html.unescape(str(value))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def bare_doi(text: str) -> str:
    """A DOI without what stands before it; nothing for what is none.

    Example:
        >>> bare_doi("https://doi.org/10.1038/x"), bare_doi("doi: 10.1038/x"), bare_doi("in press")
        ('10.1038/x', '10.1038/x', '')
    """
    bare = _RESOLVER.sub("", text, count=1).strip().rstrip(".,;")
    return bare if _DOI.fullmatch(bare) else ""

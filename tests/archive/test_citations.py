"""How entries are cited: nobody is left out, whatever form the metadata have."""

import json

import numpy as np
import pytest
from datasets import load_dataset_builder

from builders.archive.catalogue import parse_api, parse_xml
from builders.empiar import Entry
from builders.io import mrc
from builders.publishing.front.provenance import provenance_of

XML = """<entry xmlns="http://pdbe.org/empiar" accessionCode="EMPIAR-10001"><admin><title>A deposit</title>
<authorsList>{authors}</authorsList><entryDOI>10.6019/EMPIAR-10001</entryDOI></admin>
<crossReferences><citationList>{papers}</citationList></crossReferences></entry>"""
PAPER = {"title": "On ice", "journal": "Nature", "year": 2021}


def by_api(*papers, **entry):
    facts = {"title": "A deposit", "entry_doi": "10.6019/EMPIAR-10001", "citation": list(papers), **entry}
    return parse_api(json.dumps({"EMPIAR-10001": facts}).encode(), 10001).citation


def by_xml(papers, authors=""):
    text = XML.format(authors=authors, papers=papers)
    return parse_xml(text.encode(), 10001).citation


@pytest.mark.parametrize(
    "people",
    [
        [{"name": "Müller Å"}, {"name": "O'Brien J"}],
        [{"author": {"name": "Müller Å"}}, {"author": {"name": "O'Brien J", "author_orcid": None}}],
        ["Müller Å", "O'Brien J"],
        ["Müller, Å", "O'Brien , J"],
        [{"name": "('Müller', 'Å')", "order_id": 0}, {"name": "(\"O'Brien\", 'J')", "order_id": 1}],
        [{"name": "O'Brien J", "order_id": 2}, {"name": "Müller Å", "order_id": 1}],
        [{"name": "M&#252;ller &Aring;"}, {"name": "O&#39;Brien J"}, {"name": None}, {}, None, ""],
        [{"first_name": "Å", "last_name": "Müller"}, {"first_name": "J", "middle_name": None, "last_name": "O'Brien"}],
    ],
)
def test_names_are_read_in_every_form(people):
    assert by_api({**PAPER, "authors": people}) == "Müller Å, O'Brien J, On ice, Nature (2021)"


def test_everyone_is_named_also_two_of_one_name_and_groups():
    people = ["Wang Y", "Wang Y", "(broken", "Some Consortium, Inc."]
    assert by_api({**PAPER, "authors": people}).startswith("Wang Y, Wang Y, (broken, Some Consortium Inc., On ice")
    many = [f"Author {number}" for number in range(300)]
    assert by_api({**PAPER, "authors": many}).count("Author ") == 300


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"doi": "https://doi.org/10.1/x"}, "On ice, Nature (2021)"),
        ({"doi": "https://doi.org/10.1038/x."}, "On ice, Nature (2021), https://doi.org/10.1038/x"),
        ({"doi": "doi:10.1038/x", "pubmedid": 7}, "On ice, Nature (2021), https://doi.org/10.1038/x, PMID 7"),
        ({"volume": "12", "issue": 1, "first_page": "3", "last_page": "9"}, "On ice, Nature 12(1), 3-9 (2021)"),
        ({"first_page": "16269", "last_page": "16269"}, "On ice, Nature, 16269 (2021)"),
        ({"journal": None, "journal_abbreviation": "Nat", "year": 2021.0}, "On ice, Nat (2021)"),
        ({"journal": None, "year": None}, "On ice"),
        ({"journal": "", "publisher": "A press", "book_chapter_title": "Seven"}, "Seven, On ice, A press (2021)"),
        ({"title": "Cut &amp; dried\x1b[31m\n."}, "Cut & dried [31m, Nature (2021)"),
    ],
)
def test_what_is_missing_or_odd_in_a_paper_costs_no_more_than_that(facts, expected):
    assert by_api({**PAPER, **facts}) == expected


def test_several_papers_are_a_line_each_and_none_is_the_entry_itself():
    other = {"title": "On water", "doi": "10.1038/y"}
    assert by_api(PAPER, {}, None, other, PAPER) == "On ice, Nature (2021)\nOn water, https://doi.org/10.1038/y"
    itself = "Müller Å, A deposit, EMPIAR-10001, https://doi.org/10.6019/EMPIAR-10001"
    for papers in ([], [{}], [{"title": None, "authors": ["Somebody"]}]):
        assert by_api(*papers, authors=[{"author": {"name": "Müller Å"}}]) == itself
    assert by_api() == ""
    assert by_api(authors="nobody") == ""


def test_the_xml_tells_the_same():
    journal = """<universalCitation><journalCitation><author order="2">O'Brien J</author>
    <author order="1">Müller Å</author><!-- not me --><title>On ice</title>
    <journalAbbreviation>Nat</journalAbbreviation><volume>12</volume><firstPage>3</firstPage>
    <lastPage>9</lastPage><year>2021</year><externalReferences type="DOI">10.1038/x</externalReferences>
    <externalReferences type="pubmed">7</externalReferences></journalCitation></universalCitation>"""
    book = """<universalCitation><nonJournalCitation><author>Kühl A</author><chapterTitle>Seven</chapterTitle>
    <title>On water</title><publisher>A press</publisher></nonJournalCitation></universalCitation>"""
    assert by_xml(journal + book) == (
        "Müller Å, O'Brien J, On ice, Nat 12, 3-9 (2021), https://doi.org/10.1038/x, PMID 7\n"
        "Kühl A, Seven, On water, A press"
    )
    itself = "Müller Å, A deposit, EMPIAR-10001, https://doi.org/10.6019/EMPIAR-10001"
    assert by_xml("", "<author>Müller Å</author>") == itself
    assert by_xml("") == ""


@pytest.mark.parametrize("has_paper", [True, False])
def test_datasets_are_told_the_same(tmp_path, has_paper):
    paper = "<universalCitation><journalCitation><title>On ice</title></journalCitation></universalCitation>"
    text = XML.format(authors="<author>Müller Å</author>", papers=paper if has_paper else "")
    (tmp_path / "10001/data").mkdir(parents=True)
    (tmp_path / "10001/10001.xml").write_text(text, encoding="utf-8")
    mrc.write(tmp_path / "10001/data/x.mrc", np.zeros((2, 2), np.float32))
    entry = Entry(10001, archive=tmp_path)
    info = load_dataset_builder("empiar", entry=10001, directory="data", archive=str(tmp_path)).info
    itself = "EMPIAR-10001, https://doi.org/10.6019/EMPIAR-10001"
    assert entry.citation == ("On ice" if has_paper else f"Müller Å, A deposit, {itself}")
    assert info.citation == (f"On ice\n{itself}" if has_paper else entry.citation)
    assert provenance_of(info, {"entry": ["EMPIAR-10001"]}, []).citation == info.citation

import encodings
import json
import math
import pkgutil
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.archive.catalogue import entry_number, parse_api, parse_xml
from builders.errors import FormatError, OptionError


def api(*imagesets, **facts):
    return json.dumps({"EMPIAR-10001": {"title": "T", "imagesets": list(imagesets), **facts}}).encode()


def imageset(**facts):
    return {"name": "Particles", "directory": "data/p", "category": "picked particles", "data_format": "MRCS", **facts}


@pytest.mark.parametrize("entry", [10934, "10934", "EMPIAR-10934", "empiar-10934", " 10934 "])
def test_an_entry_is_given_in_any_of_its_forms(entry):
    assert entry_number(entry) == "10934"


@pytest.mark.parametrize(
    "entry", ["", "../10934", "10934/x", "EMD-10934", -1, 0, 1.5, None, True, "10934\n1", "1" * 30]
)
def test_what_is_no_entry_never_reaches_a_url(entry):
    with pytest.raises(OptionError, match="expected an EMPIAR entry such as 10934"):
        entry_number(entry)


def test_the_recorded_answers_agree(shared):
    folder = shared / "wire"
    by_api = parse_api((folder / "empiar_api" / "RECONSTRUCTED_entry_10934.json").read_bytes(), 10934)
    by_xml = parse_xml((folder / "empiar_ftp" / "10934.xml").read_bytes(), "EMPIAR-10934")
    assert by_api.title == by_xml.title
    assert by_api.doi == by_xml.doi == "10.6019/EMPIAR-10934"
    assert by_api.imagesets == by_xml.imagesets
    (found,) = by_xml.imagesets
    assert found.directory == "data/CL44-1_20201106_111915"
    assert (found.count, found.frames, found.pixel_size, found.shape) == (3889, 45, 0.543, (8184, 11520))
    assert by_xml.size == "1.9 TB"
    authors = "Lancey C, Tehseen M, Bakshi S, Percival M, Takahashi M, Sobhy MA, Raducanu VS, Blair K, Muskett FW"
    authors += ", Ragan TJ, Crehuet R, Hamdan SM, De Biasio A"
    assert by_xml.citation == (
        f"{authors}, Cryo-EM structure of human Pol κ bound to DNA and mono-ubiquitylated PCNA, Nature communications"
        " 12(1) (2021), https://doi.org/10.1038/s41467-021-26251-6, PMID 34667155"
    )
    assert by_api.citation == f"{authors}, {by_api.title}, EMPIAR-10934, https://doi.org/10.6019/EMPIAR-10934"


def test_the_forms_of_a_deposition_are_read(shared):
    (facts,) = json.loads((shared / "wire/empiar_api/empiar_deposition_working_example.json").read_bytes())["citation"]
    assert parse_api(api(citation=[facts]), 10001).citation == (
        "Smith JW, Test T, Architecture of the Vibrio cholerae toxin-coregulated pilus machine revealed by electron"
        " cryotomography, Nature microbiology 2, 16269 (2017), https://doi.org/10.1038/nmicrobiol.2016.269,"
        " PMID 28165453"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("3889", 3889),
        (3889, 3889),
        (None, None),
        ("", None),
        ("many", None),
        (-1, None),
        ("1e400", None),
        (10**400, None),
        (-(10**400), None),
    ],
)
def test_numbers_come_as_they_like(given, expected):
    found = parse_api(api(imageset(num_images_or_tilt_series=given)), 10001).imagesets[0]
    assert found.count == expected


@pytest.mark.parametrize("size", [None, 0, -1.5, "nan", "0.0", [], {}, "x"])
def test_a_pixel_size_that_is_none_is_none(size):
    assert parse_api(api(imageset(pixel_width=size)), 10001).imagesets[0].pixel_size is None


def test_nothing_is_required_of_an_image_set():
    found = parse_api(api({}, None, "text", imageset(category="(OT,free text)")), 10001).imagesets
    assert [s.number for s in found] == [0, 1, 2, 3]
    assert found[3].category == "(OT,free text)"
    assert parse_api(b'{"EMPIAR-10001": {}}', 10001).imagesets == ()


def test_choosing_an_image_set():
    entry = parse_api(api(imageset(), imageset(name="Movies", directory="/data/m/")), 10001)
    assert entry.imageset(1).directory == "data/m"
    assert entry.imageset("1") == entry.imageset("Movies") == entry.imageset(1)
    only = parse_api(api(imageset()), 10001)
    assert only.imageset(None) == only.imagesets[0]


@pytest.mark.parametrize("wanted", [None, 7, -1, "-1", "Nothing"])
def test_a_wrong_choice_lists_what_there_is(wanted):
    entry = parse_api(api(imageset(num_images_or_tilt_series=12), imageset(name="Movies")), 10001)
    with pytest.raises(OptionError) as caught:
        entry.imageset(wanted)
    assert "0: 'Particles' (picked particles, MRCS, 12 images) in data/p" in str(caught.value)
    assert "1: 'Movies' (picked particles, MRCS, count unknown) in data/p" in str(caught.value)


@pytest.mark.parametrize("wanted", [True, False, 0.0, 1.0, [0], np.bool_(True)])
def test_what_is_neither_a_name_nor_a_number_chooses_nothing(wanted):
    entry = parse_api(api(imageset(), imageset(name="Movies")), 10001)
    with pytest.raises(OptionError, match=re.escape(f"imageset is {wanted!r}: expected a name or a number")):
        entry.imageset(wanted)
    assert entry.imageset(np.int64(1)).number == 1


def test_two_of_one_name_are_chosen_by_number():
    entry = parse_api(api(imageset(), imageset()), 10001)
    with pytest.raises(OptionError, match="choose by number, imageset=0 or 1"):
        entry.imageset("Particles")
    assert entry.imageset(1).number == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"EMPIAR-99999": {}}', b'{"EMPIAR-10001": 3}', b"[" * 100_000]
)
def test_what_is_not_the_answer_is_refused(body):
    with pytest.raises(FormatError, match="EMPIAR-10001"):
        parse_api(body, 10001)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<entry xmlns="http://pdbe.org/empiar" accessionCode="EMPIAR-10001"><admin><title>&b;</title></admin></entry>"""


@pytest.mark.parametrize(
    "body", [BOMB, BOMB.decode().replace('version="1.0"', 'version="1.0" encoding="utf-16"').encode("utf-16")]
)
def test_a_document_type_is_refused_in_any_encoding(body):
    with pytest.raises(FormatError, match="document type"):
        parse_xml(body, 10001)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b'<entry accessionCode="EMPIAR-99999"/>', b"<entry"])
def test_other_xml_is_refused(body):
    with pytest.raises(FormatError, match="EMPIAR-10001"):
        parse_xml(body, 10001)


ENCODINGS = {module.name for module in pkgutil.iter_modules(encodings.__path__)}


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence:DeprecationWarning")
@pytest.mark.parametrize("encoding", sorted(ENCODINGS | {"nonsense", "utf-7", "utf-16", "utf-32", "idna"}))
def test_an_encoding_is_known_or_our_error(encoding):
    body = f'<?xml version="1.0" encoding="{encoding}"?><entry accessionCode="EMPIAR-10001"/>'
    try:
        assert parse_xml(body.encode(), 10001).entry == "EMPIAR-10001"
    except FormatError as err:
        assert "EMPIAR-10001" in str(err)  # noqa: PT017 - both outcomes are right


def test_control_characters_do_not_come_through():
    entry = parse_api(api(imageset(name="a\x1b[31mb\n\x07c")), 10001)
    assert entry.imagesets[0].name == "a [31mb c"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
KEYS = ["name", "directory", "category", "data_format", "num_images_or_tilt_series", "pixel_width", "image_width"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON), max_size=4), JSON, JSON)
def test_any_values_make_an_entry(imagesets, title, citation):
    entry = parse_api(api(*imagesets, title=title, citation=citation), 10001)
    assert len(entry.imagesets) == len(imagesets)
    for found in entry.imagesets:
        assert found.pixel_size is None or 0 < found.pixel_size < math.inf
        assert all(c.isprintable() for c in found.name + found.directory)

import html
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.empiar.listing import Child, is_one_segment, parse_listing
from builders.errors import FormatError

TABLE = '<html><table><tr><th><a href="?C=N;O=D">Name</a></th></tr>{}</table></html>'
PRE = '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<pre><a href="?C=M;O=A">Last modified</a><hr>{}</pre>'


def page(*links, form=PRE):
    return form.format("".join(f'<tr><td><a href="{link}">x</a></td></tr>\n' for link in links)).encode()


@pytest.mark.parametrize("form", [TABLE, PRE])
def test_both_forms_are_read_in_natural_order(form):
    links = ["/empiar/10001/", "x_10.mrc", "x_9.mrc", "sub%20folder/", "%C3%BC.mrc", "./a:b.mrc", "a&amp;b.mrc"]
    found = parse_listing(page(*links, form=form))
    assert found == [
        Child("a&b.mrc", False),
        Child("a:b.mrc", False),
        Child("sub folder", True),
        Child("x_9.mrc", False),
        Child("x_10.mrc", False),
        Child("ü.mrc", False),
    ]


HOSTILE = [
    "../x",
    "%2e%2e/",
    "%2e%2e",
    "a%2f..",
    "a%2Fb.mrc",
    "a%5cb.mrc",
    "a/b.mrc",
    "//evil.example/x",
    "http://evil.example/x",
    "https://127.0.0.1/x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "/etc/passwd",
    "x.mrc?C=N;O=D",
    "x.mrc#y",
    "a%00b",
    "a%0ab",
    "a%1b%5b31m",
    "%7f",
    "x" * 4000,
    "%C3%BC" * 200,
    "http://[bad",
]


@pytest.mark.parametrize("link", HOSTILE)
def test_what_is_no_direct_child_is_passed_over_with_one_counted_warning(link, caplog):
    assert parse_listing(page("ok.mrc", link, link), "http://host/10001/") == [Child("ok.mrc", False)]
    assert [r.message for r in caplog.records] == [
        "http://host/10001/: passing over 2 links that do not name a file or folder in it"
    ]


def test_what_every_page_has_is_no_reason_to_warn(caplog):
    parse_listing(page("?C=N;O=D", "?C=S;O=A", "../", "/empiar/world_availability/", "#top"))
    assert not caplog.records


def test_names_are_decoded_once():
    assert parse_listing(page("100%2525.mrc")) == [Child("100%25.mrc", False)]
    assert parse_listing(page("%252e%252e/")) == [Child("%2e%2e", True)]


def test_a_folder_and_its_link_without_a_slash_are_one():
    assert parse_listing(page("sub", "sub/", "sub")) == [Child("sub", True)]


@pytest.mark.parametrize("data", [b"", b'{"error": "x"}', bytes(2000), b"MAP " * 100])
def test_what_is_no_page_is_refused(data):
    with pytest.raises(FormatError, match="expected a directory page"):
        parse_listing(data)


@given(st.lists(st.text(min_size=1, max_size=40).filter(is_one_segment), unique=True), st.booleans())
def test_any_names_come_back(names, folders):
    slash = "/" if folders else ""
    links = [html.escape(quote(name, errors="surrogateescape") + slash) for name in names]
    assert {child.name for child in parse_listing(page(*links))} == set(names)


@given(st.lists(st.binary(min_size=1, max_size=30)))
def test_nothing_leaves_the_folder_whatever_the_links(raw):
    for child in parse_listing(page(*[html.escape(quote_from_bytes(link, safe="/%.:;?#@&=+")) for link in raw])):
        assert is_one_segment(child.name)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_page_or_our_error(data):
    try:
        parse_listing(b"<html>" + data)
        parse_listing(data)
    except FormatError:
        pass


def test_the_recorded_pages_are_read(shared):
    folder = shared / "wire" / "empiar_ftp" / "apache_emulated"
    root = parse_listing((folder / "listing_10934_root.html").read_bytes())
    assert {"10934.xml", "data"} <= {child.name for child in root}
    assert {child.name: child.is_folder for child in root}["data"]
    assert parse_listing((folder / "listing_10934_data.html").read_bytes()) == [
        Child("CL44-1_20201106_111915", True, stamp="2021-01-05 14:22 -")
    ]
    by_name = parse_listing((folder / "listing_10511_data.html").read_bytes())
    by_size = parse_listing((folder / "listing_10511_data_sort_size_desc.html").read_bytes())
    assert by_name == by_size
    assert len(by_name) > 0

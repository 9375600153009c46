import html
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.archive.listing import Child, is_one_segment, is_portable, parse_listing
from builders.errors import FormatError
from builders.terminal import printable

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
    "a%C2%85b",
    "a%E2%80%AEcrm.b",
    "&#" + "9" * 5000 + ";",
    "&#x61;" * 400,
    "/10001/a/b.mrc",
    "/10001/../etc/passwd",
    "/10001/%2e%2e",
    "/10001/%2e%2e%2fx",
    "/10001//x",
    "/10001/x?C=N",
    "/100010/x",
    "/%31000%2531/x",
    "http://host:81/10001/x",
    "http://host.evil.example/10001/x",
    "http://me@host/10001/x",
    "ftp://host/10001/x",
    "http:/10001/x",
    "//evil.example/10001/x",
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


ABSOLUTE = [
    "/pub/a%20b/data/x.mrc",
    "/pub/a b/data/x.mrc",
    "/%70ub/a%20b/data/x.mrc",
    "http://host:8080/pub/a%20b/data/x.mrc",
    "http://HOST/pub/a%20b/data/x.mrc",
    "https://host/pub/a%20b/data/x.mrc",
    "//host:8080/pub/a%20b/data/x.mrc",
]


@pytest.mark.parametrize("link", ABSOLUTE)
def test_links_from_the_root_name_children_too(link, caplog):
    above = "/pub/a%20b/data/", "http://host:8080/pub/a%20b/data/", "/pub/a%20b/", "/"
    (child,) = parse_listing(page(*above, link), "http://host:8080/pub/a%20b/data/")
    assert child == Child("x.mrc", False)
    assert parse_listing(page(f"{link}/"), "http://host:8080/pub/a%20b/data/") == [Child("x.mrc", True)]
    assert not caplog.records
    assert parse_listing(page(link)) == []  # of a page from nowhere nobody knows


def test_names_in_links_from_the_root_are_decoded_once_and_may_look_like_anything():
    links = ["/data/100%2525.mrc", "/data/a:b.mrc", "http://h/data/c%3Fd%23.mrc", "/data/%252e%252e/"]
    found = parse_listing(page(*links), "http://h/data/")
    assert {child.name for child in found} == {"100%25.mrc", "a:b.mrc", "c?d#.mrc", "%2e%2e"}


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


@pytest.mark.parametrize(
    "anchor",
    [
        '<a href="a&amp;b c.mrc">x</a>',
        "<a href='a&amp;b c.mrc'>x</a>",
        "<A HREF=a&amp;b%20c.mrc>x</A>",
        '<a class=">" title="<b>" href = "a&amp;b c.mrc" >x</a>',
        "<!-- <a href=no.mrc> --><a\nhref='a&amp;b c.mrc'\n>x</a><!-- --><script>'<a href=no.mrc>'</script>",
        "<?xml?><![CDATA[<b>]]><img src=x.gif><a name=up><a href='a&amp;b c.mrc'>x</a> < 5 & <a",
        "<a href='a&amp;b c.mrc'>x</a><!-- <a href=no.mrc>",
    ],
)
def test_an_anchor_is_read_however_it_is_written(anchor):
    assert [child.name for child in parse_listing(f"<html>{anchor}".encode())] == ["a&b c.mrc"]


def test_date_and_size_stand_after_the_anchor():
    row = "<a href=x.mrc>x 2020-01-01 10:00 1K</a>{}  <b>2021-01-05&nbsp;14:22</b>&#32; 543M  text <a href=y.mrc>y</a>"
    for spaces in ("", " " * 300):
        found = parse_listing(f"<html>{row.format(spaces)}".encode())
        assert found[0] == Child("x.mrc", False, 544 * 1024**2, "2021-01-05 14:22 543M")
        assert found[1] == Child("y.mrc", False)


def test_bytes_that_are_no_text_stay_what_they_are():
    for link in (b"\xff.mrc", b"%FF.mrc"):
        assert parse_listing(b"<html><a href=" + link + b">x</a>") == [Child("\udcff.mrc", False)]


PATTERNS = [
    *("<a ", "<!--", "<![", "<!", "<?", "</", "</a", "<", "<aaaa", "<a   ", "<script", "<style>x</style", "<script >"),
    *(
        "<a href=",
        '<a "',
        "<a '",
        "<a '\"",
        '<a x="',
        "<a href = ",
        "<a x= ",
        "<a href='\"",
        "<!--->",
        "&#9",
        "&#",
        " ",
    ),
]


@pytest.mark.parametrize(("start", "end"), [("<a href=x.mrc>x</a>", ""), ("<a ", "'>-->")])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_page_is_read_in_one_go(pattern, start, end):
    parse_listing(f"<html>{start}{pattern * (500_000 // len(pattern))}{end}".encode())


@given(st.lists(st.sampled_from([*PATTERNS, ">", '"', "'", "=", "href", "-->", "/", "x.mrc", "</a>"]), max_size=12))
def test_any_markup_is_a_page(parts):
    for child in parse_listing(f"<html>{''.join(parts)}".encode()):
        assert is_one_segment(child.name)


@pytest.mark.parametrize(
    "name", ["a\x85b", "a\x9bb", "\u202ecrm.x", "a\u200eb", "a\xadb", "\ufeffx", "a\x7f", "\ud800"]
)
def test_what_a_terminal_obeys_is_no_name(name):
    assert not is_one_segment(name)


@pytest.mark.parametrize("name", ["\udcff.mrc", "a\u2028b", "ü 粒子.mrc", "a\xa0b", "🔬", " x ", "é.mrc"])
def test_what_people_write_is_a_name(name):
    assert is_one_segment(name)


@pytest.mark.parametrize(
    "name",
    [
        *("CON", "nul.txt", "Aux.mrc.gz", "com1", "LPT9.x", "com¹.mrc", "nul .txt", "CONIN$", "conout$.a"),
        *("a:b", "a<b", "a>b", 'a"b', "a|b", "a?b", "a*b", "a\\b", "a/b", "x.", "x ", "..", "a\nb"),
    ],
)
def test_what_windows_does_not_take_is_not_portable(name):
    assert not is_portable(name)


@pytest.mark.parametrize(
    "name", ["x.mrc", "console", "nul1.txt", "com", "com10.mrc", "a.nul", ".con", " x", "ü#%&.mrc"]
)
def test_other_names_are_portable(name):
    assert is_portable(name)


@given(st.text())
def test_what_is_printed_is_printable(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert printable(shown) == shown

"""Answers of S3 buckets: other people's text, of which only direct children count."""

import pytest

from builders.archive.bucket import Bucket, parse_page
from builders.errors import FormatError, NotFoundError
from builders.io.net import remote
from tests.server import Answer, Archive, serve


def page(*items, more=""):
    return f'<ListBucketResult xmlns="http://x/">{"".join(items)}{more}</ListBucketResult>'.encode()


def key(name, size="9"):
    return f"<Contents><Key>{name}</Key><Size>{size}</Size><ETag>e</ETag><LastModified>d</LastModified></Contents>"


def folder(name):
    return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"


def test_children_are_files_with_a_stamp_and_folders():
    found = parse_page(page(key("a/x.mrc"), key("a/"), folder("a/b/")), "a/")
    assert [(one.name, one.is_folder, one.most, one.stamp) for one in found.children] == [
        ("x.mrc", False, 9, "9 e d"),
        ("b", True, None, ""),
    ]
    assert found.token is None


@pytest.mark.parametrize("name", ["a/../x", "a/b/c", "b/x", "a/.", "a/..", "a/x\ny", "a/\\x", "/etc/passwd", "x" * 300])
def test_names_that_lead_elsewhere_are_passed_over(name):
    assert parse_page(page(key(name), folder(f"{name}/")), "a/").children == ()


def test_names_are_decoded_where_the_answer_says_so():
    encoded = "<EncodingType>url</EncodingType>"
    assert parse_page(page(encoded, key("a%20b")), "").children[0].name == "a b"
    assert parse_page(page(encoded, key("%2e%2e")), "").children == ()
    assert parse_page(page(key("a%20b")), "").children[0].name == "a%20b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>x</body></html>",
        b"{}",
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult/>',
        b"<ListBucketResult><Contents>",
        b"<Error><Code>AccessDenied</Code></Error>",
    ],
)
def test_what_is_no_listing_is_refused(body):
    with pytest.raises(FormatError, match="expected a bucket's listing"):
        parse_page(body, "")


class Endless(Archive):
    """A bucket whose listings do not end."""

    def answer(self, _request):
        more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        return Answer(200, {}, page(key(f"k{len(self.requests)}"), more=more))


def test_listings_end(monkeypatch):
    monkeypatch.setattr("builders.archive.bucket._MOST_PAGES", 5)
    with serve(archive=Endless()) as archive:
        remote.permit(archive.base)
        with pytest.raises(FormatError, match="more than 5 pages of names"):
            Bucket(archive.base).children(archive.url("/x"))
        assert len(archive.requests) == 5


def test_a_folder_that_is_not_there_is_told():
    with serve() as archive:
        archive.answer = lambda _: Answer(200, {}, page())
        remote.permit(archive.base)
        with pytest.raises(NotFoundError, match=r"/x/y: no such folder"):
            Bucket(archive.base).children(archive.url("/x/y"))

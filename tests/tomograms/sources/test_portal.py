"""The layout of the CryoET Data Portal: today's and the older one, in a mirror, at an address, in a bucket."""

import json
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import numpy as np
import pytest

from builders.errors import FormatError, NotFoundError, OptionError, UnsafeAddressError
from builders.io import mrc
from builders.tomograms.sources import Asked, find
from tests.server import Answer, Archive, serve
from tests.tomograms import projects


@pytest.fixture(scope="module")
def project():
    return projects.make()


@pytest.fixture(params=[False, True], ids=["today", "older"])
def mirror(tmp_path, project, request):
    return projects.write_portal(tmp_path, project, old=request.param)


ALL = {"picks": ("*",), "segmentation": ("Ribosome", "apoferritin")}


def require_whole(found, project):
    """That tomograms are all there, with the picks and masks of both objects."""
    assert [one.name for one in found.tomograms] == ["TS_1", "TS_2"]
    for one, run in zip(found.tomograms, project.runs, strict=True):
        assert (one.volume.shape, one.volume.pixel_size) == (project.shape, 10.0)
        assert one.volume.file.path.endswith(f"{run.name}.zarr/0/.zarray")
        assert one.volume.file.stamp
        told = {picks.labels[0]: picks for picks in one.picks}
        for name, points in run.picks.items():
            for level, offset in ((10.0, (0.0, 0.0, 0.0)), (20.0, (5.0, 5.0, 5.0))):
                coordinates = told[name].coordinates(project.shape, level, offset)
                np.testing.assert_allclose(coordinates, points * 10.0)
        np.testing.assert_allclose(told["ribosome"].rotations, run.rotations["ribosome"])
        assert told["apoferritin"].rotations is None
        shapes = {name: mask.shape for name, mask in one.masks.items()}
        assert shapes == dict.fromkeys(ALL["segmentation"], project.shape)
        assert all(".zarr/0/" in mask.file.path for mask in one.masks.values())


def test_tomograms_picks_and_masks_of_a_mirror(mirror, project):
    require_whole(find(Asked(portal=str(mirror), **ALL)), project)
    require_whole(find(Asked(portal=str(mirror / "10000"), **ALL)), project)
    (one,) = find(Asked(portal=str(mirror / "10000" / "TS_2"), **ALL)).tomograms
    assert one.name == "TS_2"


def test_tomograms_picks_and_masks_of_an_address(mirror, project):
    with serve() as archive:
        archive.publish(mirror)
        require_whole(find(Asked(portal=archive.base, **ALL)), project)
        require_whole(find(Asked(portal=f"{archive.base}/10000/", **ALL)), project)


def test_runs_of_one_name_are_called_by_their_datasets(tmp_path, project):
    for dataset in ("10000", "10001"):
        projects.write_portal(tmp_path, project, dataset=dataset)
    names = ["10000/TS_1", "10000/TS_2", "10001/TS_1", "10001/TS_2"]
    assert [one.name for one in find(Asked(portal=str(tmp_path))).tomograms] == names
    assert [one.name for one in find(Asked(portal=str(tmp_path), tomograms=("10001/TS_1",))).tomograms] == [names[2]]


def add_tomogram(tmp_path, run="TS_1", **metadata):
    """A second tomogram of a run."""
    folder = tmp_path / "10000" / run / "Reconstructions/VoxelSpacing10.000/Tomograms/101"
    folder.mkdir()
    mrc.write(folder / f"{run}.mrc", np.zeros(projects.SHAPE, np.float32), 3.0)
    known = {"voxel_spacing": 10.0, "reconstruction_method": "WBP", "processing": "denoised"} | metadata
    (folder / "tomogram_metadata.json").write_text(json.dumps(known))


def test_a_tomogram_is_chosen_by_number_method_or_processing(tmp_path, project):
    projects.write_portal(tmp_path, project)
    add_tomogram(tmp_path)
    asked = {"portal": str(tmp_path), "tomograms": ("TS_1",)}
    with pytest.raises(OptionError, match=r"TS_1: several tomograms may be meant, .*Tomograms/100/.*Tomograms/101"):
        find(Asked(**asked))
    for word in ("101", "denoised", "wbp-denoised", "WBP-denoised@10", "*-den*"):
        (one,) = find(Asked(**asked, tomogram=word)).tomograms
        assert one.volume.file.path.endswith("Tomograms/101/TS_1.mrc")
        assert one.volume.pixel_size == 10.0  # the metadata's: the file says 3
    with pytest.raises(NotFoundError, match=r"TS_1: no tomogram 'SART'; there are: WBP-raw@10.000 \(id 100\), WBP-den"):
        find(Asked(**asked, tomogram="SART"))
    found = find(Asked(portal=str(tmp_path), tomogram="denoised", on_error="skip"))
    assert ([one.name for one in found.tomograms], [name for name, _ in found.left_out]) == (["TS_1"], ["TS_2"])


def test_what_was_annotated_on_another_alignment_is_passed_over(tmp_path, project, caplog):
    projects.write_portal(tmp_path, project)
    add_tomogram(tmp_path, alignment_metadata_path="a/101")
    notes = tmp_path / "10000/TS_1/Reconstructions/VoxelSpacing10.000/Annotations/100/ribosome-1.0.json"
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"alignment_metadata_path": "a/100"}))
    asked = {"portal": str(tmp_path), "tomograms": ("TS_1",), "picks": ("*",)}
    (one,) = find(Asked(**asked, tomogram="101")).tomograms
    assert [picks.labels[0] for picks in one.picks] == ["apoferritin"]
    assert "passing over ribosome: made on another alignment" in caplog.text
    assert len(find(Asked(**asked, tomogram="100")).tomograms[0].picks) == 2


def test_metadata_that_contradict_the_volume_or_are_damaged(tmp_path, project):
    projects.write_portal(tmp_path, project)
    spacing = tmp_path / "10000/TS_1/Reconstructions/VoxelSpacing10.000"
    path = spacing / "Tomograms/100/tomogram_metadata.json"
    known = json.loads(path.read_text())
    for value, said in (
        (13.48, r"10.0 Å a voxel, its metadata say 13.48 Å"),
        ("x", r"tomogram_metadata.json: voxel_spacing is 'x': expected a number of Å"),
        (-1, "voxel_spacing is '-1'"),
    ):
        path.write_text(json.dumps(known | {"voxel_spacing": value}))
        with pytest.raises(FormatError, match=said):
            find(Asked(portal=str(tmp_path)))
    path.write_text("<html>")
    with pytest.raises(FormatError, match=r"tomogram_metadata.json: no JSON"):
        find(Asked(portal=str(tmp_path)))
    assert [one.name for one in find(Asked(portal=str(tmp_path), on_error="skip")).tomograms] == ["TS_2"]
    path.unlink()
    assert find(Asked(portal=str(tmp_path))).tomograms[0].volume.pixel_size == 10.0
    with pytest.raises(FormatError, match=r"points in voxels, whose size no tomogram_metadata.json tells"):
        find(Asked(portal=str(tmp_path), picks=("*",)))


def test_names_in_metadata_lead_nowhere_else(tmp_path, project):
    projects.write_portal(tmp_path, project)
    (tmp_path / "secret.ndjson").write_text('{"type": "point", "location": {"x": 1, "y": 1, "z": 1}}')
    folder = tmp_path / "10000/TS_1/Reconstructions/VoxelSpacing10.000/Annotations/102"
    folder.mkdir()
    files = [{"path": path, "shape": "Point"} for path in ("../../../../../../secret.ndjson", "/etc/passwd", 3, None)]
    known = {"annotation_object": {"name": "secret"}, "files": files}
    (folder / "secret-1.0.json").write_text(json.dumps(known))
    with pytest.raises(NotFoundError, match=r"picks is 'secret': .* has none of it in 2 runs; there are: apoferritin"):
        find(Asked(portal=str(tmp_path), picks=("secret",)))


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match=r"portal is .*none: no such folder"):
        find(Asked(portal=str(tmp_path / "none")))
    (tmp_path / "x").mkdir()
    with pytest.raises(
        NotFoundError, match=r"no run in it, with tomograms in Reconstructions/VoxelSpacing.*; there are: x"
    ):
        find(Asked(portal=str(tmp_path)))


class Bucket(Archive):
    """A bucket: it gives files, and lists keys by ListObjectsV2, a few at a time; folders are no pages.

    Args:
        name: what stands before its keys; empty where the host is the bucket.
    """

    def __init__(self, name=""):
        super().__init__()
        self.name, self.most = name, 3

    def answer(self, request):
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        if "list-type" not in query:
            return Answer(404, {"Content-Type": "application/xml"}, b"<Error/>") if path.endswith("/") else None
        if path.strip("/") != self.name:
            return Answer(404, {}, b"<Error/>")
        prefix, start = query.get("prefix", [""])[0], query.get("continuation-token", ["0"])[0]
        keys = sorted(key[len(self.name) + 1 :].lstrip("/") for key in self.files if not key.endswith("/"))
        below = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
        items = sorted({f"{one.partition('/')[0]}/" if "/" in one else one for one in below})
        shown = items[int(start) : int(start) + self.most]
        is_cut = int(start) + self.most < len(items)
        body = "".join(self.item(prefix, one) for one in shown)
        more = f"<NextContinuationToken>{int(start) + self.most}</NextContinuationToken>" if is_cut else ""
        told = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{more}{body}"
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        return Answer(200, {}, f'<ListBucketResult xmlns="{space}">{told}</ListBucketResult>'.encode())

    def item(self, prefix, one):
        if one.endswith("/"):
            return f"<CommonPrefixes><Prefix>{escape(prefix + one)}</Prefix></CommonPrefixes>"
        return f"<Contents><Key>{escape(prefix + one)}</Key><Size>1</Size><ETag>x</ETag></Contents>"


@pytest.mark.parametrize("name", ["", "portal"])
def test_tomograms_of_a_bucket(tmp_path, project, name):
    projects.write_portal(tmp_path / name, projects.Project(project.runs[:1]))
    with serve(archive=Bucket(name)) as archive:
        archive.publish(tmp_path)
        (one,) = find(Asked(portal=f"{archive.base}/{name}", **ALL)).tomograms
        assert (one.name, one.volume.pixel_size, len(one.picks)) == ("TS_1", 10.0, 2)


def test_a_server_that_lists_nothing_is_told():
    with serve() as archive:
        archive.files["/x.txt"] = b"none"
        archive.files["/"] = b"hello"
        with pytest.raises(FormatError, match="the server lists no folders, and is not an S3 bucket that does"):
            find(Asked(portal=archive.base))
    with pytest.raises(UnsafeAddressError, match="without a user name"):
        find(Asked(portal="http://user@localhost/x"))

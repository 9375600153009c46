"""Rows of stacks and volumes whose files store their axes in another order."""

import gzip
import itertools
import logging
import struct

import numpy as np
import pytest

from builders import load_dataset
from builders.hf.features import EMImage
from builders.io import image_file
from tests.empiar import deposit
from tests.mrc_encoder import header
from tests.server import serve

ACROSS = [order for order in itertools.permutations((1, 2, 3)) if order[2] != 3]
"""Orders of axes whose sections do not lie across z."""
PARTICLES = "picked particles - single frame - processed"
SECTIONS = np.arange(4 * 2 * 3, dtype=np.float32).reshape(4, 2, 3)


def write(root, name, order, category="", pixels=SECTIONS, voxel_type="", packed=False, **facts):
    path = root / deposit.ENTRY / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = bytes(header(3, 2, 4, 2 if pixels.dtype == np.float32 else 0, mapcrs=order, **facts)) + pixels.tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)
    deposit.write_xml(root, [("S", "data", f"{category}</category><voxelType>{voxel_type}</voxelType><category>y")])
    return path


def load(root, streaming=False, **options):
    kept = {"archive": str(root), "cache_dir": str(root / "cache"), "split": "train", "streaming": streaming}
    return load_dataset("empiar", entry=deposit.ENTRY, **kept, **options)


def said(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("name", "category", "item", "facts"),
    [
        ("s.mrcs", "", "auto", {"ispg": 0, "mz": 1}),
        ("s.mrcs.gz", "", "auto", {"ispg": 0, "mz": 1}),
        ("s.mrcs", "", "auto", {"ispg": 1}),  # programs write that for stacks, too
        ("s.mrc", PARTICLES, "auto", {"ispg": 1}),
        ("s.mrc", "", "auto", {"ispg": 0, "mz": 1}),
        ("s.mrc", "", "slice", {"ispg": 0}),
        ("s.mrcs", "", "slice", {"ispg": 1}),
    ],
)
def test_the_sections_of_a_stack_are_its_images(tmp_path, caplog, name, category, item, facts):
    for order in ACROSS:
        path = write(
            tmp_path, name, order, category, packed=name.endswith("gz"), cell=(4.5, 5, 3 * facts.get("mz", 4)), **facts
        )
        for streaming in (False, True):
            rows = list(load(tmp_path, streaming, item=item))
            assert [row["index"] for row in rows] == [0, 1, 2, 3]
            np.testing.assert_array_equal([row["image"] for row in rows], SECTIONS, err_msg=str(order))
            assert {row["pixel_size"] for row in rows} == {(1.5, 2.5, 3.0)[order[0] - 1]}  # along its columns
        if not category:  # without which nobody knows what the file is
            images = [EMImage().decode_example({"path": str(path), "index": i}) for i in range(4)]
            np.testing.assert_array_equal(images, SECTIONS)
            np.testing.assert_array_equal([image_file.read(path, i) for i in range(4)], SECTIONS)
            np.testing.assert_array_equal(image_file.read_bytes(path.read_bytes(), 3, name), SECTIONS[3])
    (told,) = said(caplog)
    assert f"sections do not lie across z {ACROSS[0]}, taken as stored" in told


@pytest.mark.parametrize("download", [False, True])
def test_a_stack_is_told_by_the_name_that_it_has_in_the_archive(tmp_path, download):
    write(tmp_path, "s.mrcs", (3, 2, 1), ispg=1)
    with serve() as server:
        server.publish(tmp_path)
        options = {"archive": server.base, "cache_dir": str(tmp_path / "cache"), "split": "train"}
        ds = load_dataset("empiar", entry=deposit.ENTRY, item="slice", download=download, **options)
        np.testing.assert_array_equal(ds[:]["image"], SECTIONS)


def as_volume(order, pixels=SECTIONS):
    """Stored sections as the (z, y, x) that the order makes of them."""
    return pixels.transpose([(3 - np.array(order)[::-1]).tolist().index(axis) for axis in range(3)])


@pytest.mark.parametrize(("ispg", "item", "fits"), [(1, "slice", 0), (1, "file", 0), (0, "file", 0), (0, "slice", 1)])
def test_a_volume_and_a_whole_file_come_as_z_y_x(tmp_path, caplog, ispg, item, fits):
    for order in ACROSS:
        path = write(tmp_path, "v.mrc", order, ispg=ispg)
        if fits:  # no space group says volume, but intervals that follow the order of axes
            data = bytearray(path.read_bytes())
            struct.pack_into("<3i", data, 28, *as_volume(order).shape[::-1])
            path.write_bytes(data)
        volume = as_volume(order)
        np.testing.assert_array_equal(image_file.read(path), volume)
        for streaming in (False, True):
            images = [row["image"] for row in load(tmp_path, streaming, item=item)]
            np.testing.assert_array_equal(images, volume if item == "slice" else [volume])
        if item == "slice":
            np.testing.assert_array_equal([image_file.read(path, i) for i in range(len(volume))], volume)
    assert not said(caplog)


def test_in_plane_a_stack_comes_as_y_x(tmp_path, caplog):
    write(tmp_path, "s.mrcs", (2, 1, 3), ispg=0, mz=1)
    np.testing.assert_array_equal([row["image"] for row in load(tmp_path)], SECTIONS.transpose(0, 2, 1))
    assert not said(caplog)


@pytest.mark.parametrize("nsymbt", [0, 16])
def test_of_a_stack_that_was_cut_short_whole_sections_are_kept(tmp_path, caplog, nsymbt):
    path = write(tmp_path, "s.mrcs", (3, 2, 1), ispg=1, nsymbt=nsymbt)
    data = path.read_bytes()
    path.write_bytes(data[:1024] + b"text" * (nsymbt // 4) + data[1024 : 1024 + 2 * 24 + 5])
    rows = list(load(tmp_path, on_error="skip"))
    np.testing.assert_array_equal([row["image"] for row in rows], SECTIONS[:2])
    assert any("only the first 2 of 4 slices are kept" in line for line in said(caplog))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_slices_that_do_not_lie_apart_have_the_sign_that_the_image_set_tells(tmp_path, packed, streaming):
    pixels = (SECTIONS * 10).astype(np.uint8)
    name = "v.mrc.gz" if packed else "v.mrc"
    write(tmp_path, name, (3, 2, 1), pixels=pixels, voxel_type="UNSIGNED BYTE", packed=packed, ispg=1)
    images = [row["image"] for row in load(tmp_path, streaming, item="slice")]
    np.testing.assert_array_equal(images, as_volume((3, 2, 1), pixels))

"""Boxes of images are those of the table, in few requests of a server, wherever they lie."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from builders.errors import FormatError
from builders.io import mrc
from builders.io.net import remote
from builders.stacks.files import SourceFile
from tests.empiar import deposit
from tests.hf.test_stream_batches import same_rows
from tests.server import serve
from tests.stacks.picked.catalogues import FEATURES, READING, in_shards, made, mapped, reading, streamed, table

BOX = (8, 12)
SIDES = (60, 90)
WHOLE = dataclasses.replace(READING, item="file")
NUMBERS = {name: FEATURES[name] for name in ("image", "pixel_size", "path", "index", "pose", "micrograph")}


def write_micrographs(folder, kind="float32", count=3, sides=SIDES):
    """Images of one section each."""
    rng, files = np.random.default_rng(4), []
    folder = folder / "mics"
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"mic_{number}.mrc"
        dtype = "float32" if kind == "gz" else kind
        mrc.write(path, rng.integers(-90, 90, sides).astype(dtype), 1.5)
        path = deposit.compress(path, "gz") if kind == "gz" else path
        files.append(SourceFile(f"mics/{path.name}", str(path), path.stat().st_size, "stamp"))
    return files


def boxes(seed=1, count=30, files=3, sides=SIDES, is_sorted=True):
    """Boxes anywhere, some of which reach beyond their image: files, first rows and columns."""
    rng = np.random.default_rng(seed)
    which = np.sort(rng.integers(0, files, count))
    tops = rng.integers(1 - BOX[0], sides[0], count)
    lefts = rng.integers(1 - BOX[1], sides[1], count)
    order = np.lexsort((tops, which)) if is_sorted else np.arange(count)
    return which[order], tops[order], lefts[order]


def boxed(tmp_path, files, which, tops, lefts, **options):
    places = {"top": pa.array(tops), "left": pa.array(lefts)}
    rows = table(which, np.full(len(which), -1), **places)
    return made(tmp_path, files, rows, box=BOX, **options)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "gz"])
def test_a_stream_gives_the_boxes_of_the_table(tmp_path, kind, is_sorted):
    catalogue = boxed(tmp_path, write_micrographs(tmp_path, kind), *boxes(is_sorted=is_sorted))
    expected = list(mapped(catalogue, WHOLE))
    assert {row["image"].shape for row in expected} == {BOX}
    for shards in (None, in_shards(catalogue, 4)):
        stream = streamed(catalogue, WHOLE, shards=shards)
        same_rows(list(stream), expected)
        batches = list(stream.iter(7))
        same_rows([image for batch in batches for image in batch["image"]], [row["image"] for row in expected])
    shuffled = list(streamed(catalogue, WHOLE).shuffle(seed=3, buffer_size=9))
    by_name = {row["name"]: row for row in expected}
    assert [row["name"] for row in shuffled] != list(by_name)
    same_rows(shuffled, [by_name[row["name"]] for row in shuffled])


def served(files, server):
    return [dataclasses.replace(file, location=server.url("/" + file.path.replace("mics", "J/mics"))) for file in files]


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("kind", ["float32", "gz"])
def test_boxes_of_a_server_come_in_few_requests_of_what_they_need(tmp_path, kind, is_sorted):
    sides = (250, 600)
    files = write_micrographs(tmp_path / "root" / "J", kind, 2, sides)
    count = 40 if kind == "gz" else 200  # requests are not counted of what comes whole, time after time
    which, tops, lefts = boxes(2, count, 2, sides, is_sorted)
    here = list(mapped(boxed(tmp_path / "here", files, which, tops, lefts), WHOLE))
    with serve() as server:
        server.publish(tmp_path / "root")
        remote.permit(server.base)
        catalogue = boxed(tmp_path / "there", served(files, server), which, tops, lefts)
        stream = streamed(catalogue, WHOLE, folder=str(tmp_path / "cache"))
        batches = list(stream.iter(16))
        same_rows([image for batch in batches for image in batch["image"]], [row["image"] for row in here])
        if kind == "gz":
            return
        for file in files:
            asked = [request for request in server.requests if request.path.endswith(file.path)]
            assert len(asked) <= 1 + 8
        rows = {(n, row) for n, top in zip(which, tops, strict=True) for row in range(max(0, top), top + BOX[0])}
        needed = 4 * sides[1] * sum(row < sides[0] for _, row in rows)
        heads = 2 * 1024 + 4096
        assert server.bytes_sent <= 1.15 * needed + heads


def test_boxes_outside_of_their_image_are_told_or_left_out(tmp_path, caplog):
    which, tops, lefts = boxes()
    tops[[4, 20]] = 1000, -50
    catalogue = boxed(tmp_path, write_micrographs(tmp_path), which, tops, lefts)
    with pytest.raises(FormatError, match=r"mic_.\.mrc: 90 x 60 pixels .* the boxes of row 5 .*lie outside"):
        list(streamed(catalogue, WHOLE))
    quarantine = tmp_path / "left_out.tsv"
    left = list(streamed(catalogue, reading(item="file", on_error="skip"), quarantine=str(quarantine)))
    kept = [f"particle {number}" for number in range(30) if number not in (4, 20)]
    assert [row["name"] for row in left] == kept
    assert "2 rows of particles.star were left out" in caplog.text
    assert quarantine.read_text().count("lie outside") == len(set(which[[4, 20]]))

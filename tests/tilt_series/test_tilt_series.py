"""`load_dataset("tilt_series")`: row i carries image i's pixels and what is known of it, in every order and unit."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError, TruncatedError
from tests.tilt_series import made
from tests.tilt_series.made import ANGLES, DOSE, NX, NY, PIXEL_SIZE, number_of, taken

IMAGES = taken()
ORDERS = {"angle": sorted(IMAGES, key=lambda t: t.angle), "acquisition": sorted(IMAGES, key=lambda t: t.order)}


@pytest.fixture(params=["stacks", "frames"])
def folder(request, tmp_path):
    return getattr(made, request.param)(tmp_path / "data")


def load(folder, tmp_path, **options):
    own = {"data_dir": str(folder), "split": "train", "cache_dir": str(tmp_path / "cache")}
    return load_dataset("tilt_series", **own | options)


def check(row, series, image):
    """That a row is that image of a series."""
    np.testing.assert_array_equal(np.asarray(row["image"]), made.pixels_of(series, image.section))
    assert (row["tilt_series"], row["tilt_angle"]) == (f"TS_{series}", image.angle)
    assert (row["acquisition_order"], row["pre_exposure"]) == (image.order, DOSE * image.order)
    assert (row["exposure"], row["axis_angle"], row["defocus"]) == (DOSE, np.float32(85.3), 35_000)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("order", ["angle", "acquisition"])
def test_a_row_an_image(folder, tmp_path, order, streaming):
    rows = list(load(folder, tmp_path, order=order, streaming=streaming))
    assert len(rows) == 10
    for row, (series, image) in zip(rows, [(s, i) for s in (1, 2) for i in ORDERS[order]], strict=True):
        check(row, series, image)
        is_stack = row["path"].endswith(f"TS_{series}.mrc")
        assert row["index"] == (image.section if is_stack else None)
        assert row["pixel_size"] == (PIXEL_SIZE if is_stack else PIXEL_SIZE / 2)
        assert (row["ctf"], row["shift_x"]) == (None, None)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("order", ["angle", "acquisition"])
def test_a_row_a_series(folder, tmp_path, order, streaming):
    rows = list(load(folder, tmp_path, unit="tilt_series", order=order, streaming=streaming))
    assert [row["tilt_series"] for row in rows] == ["TS_1", "TS_2"]
    for series, row in enumerate(rows, 1):
        images = ORDERS[order]
        expected = np.stack([made.pixels_of(series, image.section) for image in images])
        np.testing.assert_array_equal(np.asarray(row["image"]), expected)
        assert row["tilt_angle"] == [image.angle for image in images]
        assert row["acquisition_order"] == [image.order for image in images]
        assert row["pre_exposure"] == [DOSE * image.order for image in images]
        assert len(row["paths"]) == len(row["sections"]) == len(row["ctf"]) == len(ANGLES)


@pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")  # datasets' own call of pyarrow
def test_what_is_done_to_a_dataset_keeps_images_and_columns_together(folder, tmp_path):
    at = {image.angle: image for image in IMAGES}
    ds = load(folder, tmp_path, order="acquisition")
    moved = [ds.shuffle(seed=1), ds.sort("tilt_angle"), ds.filter(lambda row: row["tilt_angle"] > 0)]
    moved += [load(folder, tmp_path, streaming=True).shuffle(seed=3, buffer_size=4)]
    for rows in moved:
        for row in rows:
            check(row, int(row["tilt_series"][-1]), at[row["tilt_angle"]])
    batch = ds.with_format("torch")[[9, 0, 4]]
    assert batch["image"].shape == (3, NY, NX)
    assert [number_of(image) for image in batch["image"]] == [
        (int(name[-1]), at[float(angle)].section)
        for name, angle in zip(batch["tilt_series"], batch["tilt_angle"], strict=True)
    ]


def test_batches_transforms_and_workers(folder, tmp_path):
    at = {image.angle: image.section for image in IMAGES}
    for streaming in (False, True):
        ds = load(folder, tmp_path, streaming=streaming).with_format("torch")
        loader = DataLoader(ds, batch_size=4, num_workers=2 * streaming)
        seen = []
        for batch in loader:
            seen += [number_of(image) for image in batch["image"]]
            angles = batch["tilt_angle"].tolist()
            assert [section for _, section in seen[-len(angles) :]] == [at[angle] for angle in angles]
        assert len(set(seen)) == 10
    series = load(folder, tmp_path, unit="tilt_series").with_transform(T.Compose([T.Normalize()]))
    assert torch.as_tensor(series[0]["image"]).shape == (5, NY, NX)


def test_series_of_unlike_images_or_movies_are_told(tmp_path):
    folder = made.frames(tmp_path / "data", series=(1,), frames_each=4)
    assert np.asarray(load(folder, tmp_path)[0]["image"]).shape == (4, NY, NX)
    with pytest.raises(FormatError, match=r"sum_frames=True sums a movie's frames"):
        load(folder, tmp_path, unit="tilt_series")
    for options in ({}, {"unit": "tilt_series"}):
        row = load(folder, tmp_path, sum_frames=True, **options)[0]
        image = np.asarray(row["image"]).reshape(-1, NY, NX)[0]
        np.testing.assert_allclose(image, made.pixels_of(1, IMAGES[0].section), rtol=1e-6)
    with pytest.raises(OptionError, match=r"sum_frames=True is for movies"):
        load(made.stacks(tmp_path / "stacks"), tmp_path, sum_frames=True, images="stack")


def test_lists_of_angles_and_transforms_of_a_stack_without_an_mdoc(tmp_path):
    folder = tmp_path / "data"
    made.write_stack(folder / "TS_1.st", 1)
    (folder / "TS_1.rawtlt").write_text("\r\n".join(f"{image.angle}" for image in IMAGES))
    (folder / "TS_1.tlt").write_text("\n".join(f"{image.angle + 0.5}" for image in IMAGES))
    (folder / "TS_1.xf").write_text("\n".join(f"1 0 0 1 {image.section} -2" for image in IMAGES))
    rows = load(folder, tmp_path)
    assert [number_of(row["image"])[1] for row in rows] == [image.section for image in ORDERS["angle"]]
    assert rows["tilt_angle"][:] == [image.angle + 0.5 for image in ORDERS["angle"]]
    assert rows["shift_x"][:] == [PIXEL_SIZE * image.section for image in ORDERS["angle"]]
    assert set(rows["shift_y"][:]) == {-2 * PIXEL_SIZE}
    assert (rows["axis_angle"][0], rows["acquisition_order"][0], rows["pre_exposure"][0]) == (0, None, None)
    with pytest.raises(FormatError, match="the acquisition_order of 5 of 5 images is not known"):
        load(folder, tmp_path, order="acquisition")
    (folder / "TS_1.tlt").write_text("0\n3\n")
    with pytest.raises(FormatError, match=r"TS_1.tlt: 2 tilt angles for a series of 5 images"):
        load(folder, tmp_path)


def test_alignments_of_aretomo_and_warp_beside_an_mdoc(tmp_path):
    folder = made.stacks(tmp_path / "data", series=(1,))
    head = "# RawSize = 7 5 5\n# SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT\n"
    rows = [f"{image.section + 1} 84 1 {image.section} 1 1 1 1 0 {image.angle + 1}" for image in IMAGES[:-1]]
    (folder / "TS_1.aln").write_text(head + "# DarkFrame = 5 5 6.0\n" + "\n".join(rows))
    ds = load(folder, tmp_path)
    assert ds["shift_x"][:] == [*(-PIXEL_SIZE * section for section in range(4)), None]
    assert ds["axis_angle"][:] == [*[84.0] * 4, np.float32(85.3)]
    assert ds["tilt_angle"][:] == [*(image.angle + 1 for image in IMAGES[:-1]), IMAGES[-1].angle]
    (folder / "TS_1.aln").unlink()
    angles = "\n".join(f"{-image.angle}" for image in IMAGES)
    xml = f"<TiltSeries><Angles>{angles}</Angles><GridCTF><Node Z='0' Value='2'/></GridCTF></TiltSeries>"
    (folder / "TS_1.xml").write_text(xml)
    ds = load(folder, tmp_path)
    assert ds["tilt_angle"][:] == [image.angle for image in ORDERS["angle"]]
    assert (ds[0]["ctf"]["defocus_u"], ds[0]["defocus"]) == (20_000, 20_000)
    with pytest.raises(FormatError, match="negated=False"):
        load(folder, tmp_path, negated=False)


def test_an_exposure_that_no_table_tells(tmp_path):
    folder = made.stacks(tmp_path / "data", series=(1,), dose=0)
    assert load(folder, tmp_path)["exposure"][:] == [None] * 5
    ds = load(folder, tmp_path, exposure=3.0)
    assert ds["pre_exposure"][:] == [3.0 * image.order for image in ORDERS["angle"]]


def test_an_mdoc_of_another_length_than_its_stack(tmp_path):
    folder = made.stacks(tmp_path / "data")
    made.write_stack(folder / "TS_2.mrc", 2, count=4)
    with pytest.raises(FormatError, match=r"TS_2.mrc.mdoc tells of 5 images, TS_2.mrc has 4: expected the same"):
        load(folder, tmp_path)
    ds = load(folder, tmp_path, on_error="skip", quarantine=str(tmp_path / "out.tsv"))
    assert set(ds["tilt_series"]) == {"TS_1"}
    assert "TS_2\t" in (tmp_path / "out.tsv").read_text()


def test_missing_images_and_those_that_nobody_names_are_told_together(tmp_path):
    folder = made.frames(tmp_path / "data")
    name = made.frame_name(1, 2, IMAGES[2].angle)
    (folder / "frames" / name).rename(folder / "frames" / "other_image.mrc")
    said = (
        rf"1 of 10 images that tables name are not there: {name} \(TS_1.mdoc\); 1 image file there is named by none: "
    )
    for options in ({}, {"unit": "tilt_series"}):
        with pytest.raises(NotFoundError, match=f"{said}frames/other_image.mrc"):
            load(folder, tmp_path, **options)
    assert len(load(folder, tmp_path, on_error="skip")) == 9
    assert load(folder, tmp_path, on_error="skip", unit="tilt_series")["tilt_series"][:] == ["TS_2"]


@pytest.mark.parametrize("streaming", [False, True])
def test_images_that_are_cut_leave_out_their_row_or_their_series(tmp_path, streaming):
    folder = made.frames(tmp_path / "data")
    cut = folder / "frames" / made.frame_name(1, 2, IMAGES[2].angle)
    cut.write_bytes(cut.read_bytes()[:-30])
    for unit, left in (("tilt", 9), ("tilt_series", 1)):
        own = {"unit": unit, "streaming": streaming}
        with pytest.raises(TruncatedError, match=cut.name):
            list(load(folder, tmp_path, **own))
        rows = list(load(folder, tmp_path, on_error="skip", **own))
        assert len(rows) == left
        assert all(np.isfinite(np.asarray(row["image"])).all() for row in rows)


def test_a_stack_that_is_cut_says_so_beside_its_mdoc(tmp_path):
    folder = made.stacks(tmp_path / "data")
    stack = folder / "TS_1.mrc"
    stack.write_bytes(stack.read_bytes()[: -4 * NX * NY - 10])
    with pytest.raises(FormatError, match=r"TS_1.mrc: .* truncated|TS_1.mrc has 3"):
        load(folder, tmp_path)
    assert set(load(folder, tmp_path, on_error="skip")["tilt_series"]) == {"TS_2"}


def test_files_that_are_named_count_before_a_stack_that_may_have_another_order(tmp_path):
    folder = made.frames(tmp_path / "data", series=(1,))
    made.write_stack(folder / "TS_1.mrc", 7)
    assert {number_of(row["image"])[0] for row in load(folder, tmp_path)} == {1}
    assert {number_of(row["image"])[0] for row in load(folder, tmp_path, images="stack")} == {7}
    (folder / "TS_1.mdoc").rename(folder / "TS_1.mrc.mdoc")
    assert {number_of(row["image"])[0] for row in load(folder, tmp_path)} == {7}
    assert {number_of(row["image"])[0] for row in load(folder, tmp_path, images="tilt")} == {1}


@pytest.mark.parametrize(("header", "taken_size", "told"), [(5.0, 5.0, "the stack"), (1.0, 2.5, "TS_1.mrc.mdoc")])
def test_pixel_sizes_that_contradict_the_stacks(header, taken_size, told, tmp_path, caplog):
    folder = made.stacks(tmp_path / f"data{header}", series=(1,))
    made.write_stack(folder / "TS_1.mrc", 1, pixel_size=header)
    assert set(load(folder, tmp_path)["pixel_size"]) == {taken_size}
    assert [m for m in caplog.messages if "header" in m] == [
        f"TS_1.mrc.mdoc: pixels of 2.5 Å, by the header of TS_1.mrc of {header:g} Å: those of {told} are taken"
    ]


def test_a_number_that_cannot_be_leaves_out_its_series(tmp_path):
    folder = made.stacks(tmp_path / "data")
    table = folder / "TS_2.mrc.mdoc"
    table.write_text(table.read_text().replace("ExposureDose = 2.0", "ExposureDose = -3", 1))
    with pytest.raises(
        FormatError, match=r"TS_2.mrc.mdoc, line 8: ExposureDose of \[ZValue = 0\] is -3: expected e/Å²"
    ):
        load(folder, tmp_path)
    assert set(load(folder, tmp_path, on_error="skip")["tilt_series"]) == {"TS_1"}


def test_two_mdocs_of_one_series(tmp_path, caplog):
    folder = made.stacks(tmp_path / "data")
    (folder / "TS_1.mdoc").write_text(made.mdoc(1, taken()).replace("85.3", "80"))
    with pytest.raises(FormatError, match=r"TS_1.mdoc, TS_1.mrc.mdoc all tell of TS_1.mrc: expected one .mdoc"):
        load(folder, tmp_path)
    assert set(load(folder, tmp_path, on_error="skip")["tilt_series"]) == {"TS_2"}
    (folder / "TS_1.mdoc").write_bytes((folder / "TS_1.mrc.mdoc").read_bytes())  # a copy is no second one
    caplog.clear()
    assert len(load(folder, tmp_path)) == 10
    assert [m for m in caplog.messages if "say the same" in m] == [
        "tilt_series: TS_1.mdoc and TS_1.mrc.mdoc say the same of one series: read once"
    ]
    frames = made.frames(tmp_path / "frames", series=(1,))
    (frames / "again.mdoc").write_text((frames / "TS_1.mdoc").read_text().replace("85.3", "80"))
    with pytest.raises(FormatError, match=r"TS_1.mdoc and again.mdoc both name frames/TS_1_|both name"):
        load(frames, tmp_path)


def test_mdocs_of_single_movies_are_put_together_by_their_names(tmp_path):
    folder = made.frames(tmp_path / "data")
    for series in (1, 2):
        text = (folder / f"TS_{series}.mdoc").read_text()
        _, *sections = text.split("[ZValue")
        (folder / f"TS_{series}.mdoc").unlink()
        for image, section in zip(IMAGES, sections, strict=True):
            name = made.frame_name(series, image.section, image.angle)
            own = "[FrameSet = 0]" + section.partition("]")[2]
            (folder / "frames" / f"{name}.mdoc").write_text(f"T = SerialEM: x\nVoltage = 300\n\n{own}")
    rows = list(load(folder, tmp_path, order="acquisition"))
    for row, (series, image) in zip(rows, [(s, i) for s in (1, 2) for i in ORDERS["acquisition"]], strict=True):
        check({**row, "axis_angle": np.float32(85.3)}, series, image)


def test_numbers_that_are_null_in_lists_are_nan_for_loaders(tmp_path):
    folder = made.stacks(tmp_path / "data")
    for streaming in (False, True):
        ds = load(folder, tmp_path, unit="tilt_series", streaming=streaming).with_format("torch")
        (batch,) = DataLoader(ds, batch_size=2)
        assert batch["image"].shape == (2, 5, NY, NX)
        assert batch["shift_x"].isnan().all()
        assert batch["ctf"][0]["defocus_u"].isnan().all()
        assert batch["shift_x"].shape == batch["tilt_angle"].shape == batch["acquisition_order"].shape == (2, 5)


def test_a_folder_without_tables_says_what_is_there(tmp_path):
    made.write_stack(tmp_path / "data/TS_1.st", 1)
    with pytest.raises(NotFoundError, match=r"no .mdoc, .rawtlt, .tlt, .aln or .xml .*; there are: TS_1.st"):
        load(tmp_path / "data", tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data_dir": None}, "no source: tilt_series reads one of"),
        ({"entry": 10499}, "data_dir=.* and entry=10499"),
        ({"unit": "slice"}, "unit is 'slice': expected 'tilt' or 'tilt_series'"),
        ({"order": "dose"}, "order is 'dose'"),
        ({"directory": "data/x"}, "directory='data/x' does nothing with data_dir=: it is for entry"),
        ({"tilt_series": ["TS_9"]}, r"tilt_series names TS_9: .* has TS_1, TS_2"),
        ({"tilt_series": 1}, "expected a list of names"),
        ({"exposure": -1}, "exposure is -1: expected a number above 0, in e/Å²"),
        ({"archive": "/tmp"}, "archive='/tmp' does nothing"),
        ({"tilt_serie": ["TS_1"]}, "did you mean 'tilt_series'"),
    ],
)
def test_options_are_checked(tmp_path, options, said):
    folder = made.stacks(tmp_path / "data")
    with pytest.raises(OptionError, match=said):
        load(folder, tmp_path, **options)

"""What is wrong with a simulator's files is one error that names the file; `on_error="skip"` leaves such out."""

import os

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError, PercError, TruncatedError
from builders.synthetic.written.configs import read_config
from builders.synthetic.written.documents import read_yaml
from tests.synthetic.written.simulators import (
    config,
    drawn,
    h5py,
    headers,
    molecules,
    parakeet,
    roodmus,
    write_config,
    write_h5,
    write_mrc,
    write_sample,
)


def load(**options):
    return load_dataset("synthetic", split="train", **options)


def refused(error, match, **options):
    with pytest.raises(error, match=match):
        load(**options)
    with pytest.raises(error, match=match):
        load(streaming=True, **options)


@pytest.fixture
def folder(tmp_path):
    parakeet(tmp_path / "run_2")
    parakeet(tmp_path / "run_10")
    return tmp_path


def damage(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replaced(path, values):
    def change(file):
        del file[path]
        file[path] = values

    return change


def nan_at(path):
    def change(file):
        values = file[path][()]
        values[0] = np.nan
        file[path][...] = values

    return change


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("image.h5", lambda f: f.__delitem__("entry/data/tilt_alpha"), r"run_10/image\.h5: images without tilt_alpha"),
        ("image.h5", replaced("entry/data/c_10", np.zeros(3)), r"c_10 is of type float64 and shape \(3,\): expected 1"),
        ("image.h5", replaced("entry/data/dose", b"much"), r"dose is of type"),
        ("image.h5", nan_at("entry/data/shift_x"), r"shift_x of image 0 is nan"),
        ("image.h5", replaced("entry/data/data", np.zeros((4, 4), "f4")), r"shape \(4, 4\): expected \(images, y, x\)"),
        ("image.h5", replaced("entry/data/data", np.zeros((1, 99, 98), "f4")), r"99 x 98 pixels of 2 Å, where .* 150"),
        ("sample.h5", nan_at("sample/molecules/pdbs_apo_pdb/positions"), r"sample\.h5: .*positions: 3 of 9 are NaN"),
        ("sample.h5", nan_at("sample/molecules/pdbs_apo_pdb/orientations"), r"orientations: 3 of 9 are NaN"),
        ("sample.h5", replaced("sample/molecules/pdbs_apo_pdb/positions", np.zeros((3, 2))), r"shape \(3, 2\)"),
        ("sample.h5", lambda f: f.__delitem__("sample/molecules"), r"sample\.h5: 0 kinds of molecules"),
        ("sample.h5", lambda f: f.__delitem__("sample/centre"), r"no dataset sample/centre"),
        ("sample.h5", replaced("sample/centre", np.zeros(2)), r"sample/centre has shape \(2,\)"),
    ],
)
def test_a_damaged_file_is_told_or_its_run_left_out(folder, name, change, match):
    damage(folder / "run_10" / name, change)
    refused(FormatError, match, parakeet=str(folder))
    table = folder / "left_out.tsv"
    rows = load(parakeet=str(folder), on_error="skip", quarantine=str(table))
    assert rows["path"][:] == ["run_2/image.h5"]
    assert "run_10/" in table.read_text()


@pytest.mark.parametrize("name", ["image.h5", "sample.h5"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_files_that_are_cut_off_are_errors(folder, name, part):
    path = folder / "run_10" / name
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    refused(FormatError, name, parakeet=str(folder))
    if part > 0.1:
        with pytest.raises(TruncatedError, match="fewer than it says"):
            load(parakeet=str(folder))


def test_links_to_other_files_are_not_followed(folder):
    def link(file):
        del file["entry/data/tilt_alpha"]
        file["entry/data/tilt_alpha"] = h5py.ExternalLink("/etc/passwd", "/x")

    damage(folder / "run_10" / "image.h5", link)
    refused(FormatError, "is a link", parakeet=str(folder))


def test_bytes_that_are_changed_anywhere_are_rows_or_errors(tmp_path):
    parakeet(tmp_path / "a")
    data = (tmp_path / "a" / "sample.h5").read_bytes()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        bad = bytearray(data)
        for place in rng.integers(0, len(data), 6):
            bad[place] = rng.integers(0, 256)
        (tmp_path / "a" / "sample.h5").write_bytes(bad)
        try:
            assert len(load(parakeet=str(tmp_path))) == 1
        except PercError:
            pass


def test_what_lacks_its_partner_is_told(tmp_path):
    roodmus(tmp_path, count=3)
    (tmp_path / "000001.yaml").unlink()
    refused(NotFoundError, r"000001\.mrc is there, 000001\.yaml is not", roodmus=str(tmp_path))
    assert load(roodmus=str(tmp_path), on_error="skip")["path"][:] == ["000000.mrc", "000002.mrc"]
    (tmp_path / "000002.mrc").unlink()
    assert load(roodmus=str(tmp_path), on_error="skip")["path"][:] == ["000000.mrc"]


def test_what_is_left_out_is_said_and_how_much_of_it(tmp_path, caplog):
    roodmus(tmp_path, count=13)
    for number in range(1, 13):
        (tmp_path / f"{number:06d}.mrc").unlink()
    assert len(load(roodmus=str(tmp_path), on_error="skip")) == 1
    assert "leaving out" in caplog.text
    assert "000010.yaml is there" in caplog.text
    assert "000012.yaml" not in caplog.text
    assert "left out 12 files" in caplog.text


def test_molecules_that_move_in_directions_nobody_knows_are_told(tmp_path, caplog):
    kinds = molecules(["a.pdb"])
    for name, velocity in (("a", 0), ("b", 1.5)):
        parakeet(tmp_path / name, kinds, motion={"velocity": velocity})
        load(parakeet=str(tmp_path / name))
        assert ("molecules moved by 1.5 Å a fraction" in caplog.text) == bool(velocity)


def test_images_without_molecules_are_told(tmp_path):
    parakeet(tmp_path)
    (tmp_path / "sample.h5").unlink()
    refused(FormatError, r"config\.yaml: no molecules: expected sample\.h5", parakeet=str(tmp_path))
    (tmp_path / "config.yaml").unlink()
    refused(FormatError, "neither a sample nor a configuration beside it", parakeet=str(tmp_path))


def test_a_configuration_with_poses_takes_the_place_of_a_sample_and_of_one_alone_lies_in_the_centre(tmp_path):
    kinds = molecules(["a/apo.pdb"])
    parakeet(tmp_path / "a", kinds)
    expected = load(parakeet=str(tmp_path))[0]
    (tmp_path / "a" / "sample.h5").unlink()
    write_config(tmp_path / "a" / "config.yaml", config(kinds))
    row = load(parakeet=str(tmp_path))[0]
    np.testing.assert_allclose(row["picks"], expected["picks"], atol=1e-4)
    told = config()
    told["sample"]["molecules"] = {"pdb": [{"id": "4v1w", "instances": 1}]}
    write_config(tmp_path / "a" / "config.yaml", told)
    rows = load(parakeet=str(tmp_path))
    assert rows[0]["picks"] == [[102.0, 77.0]]
    assert rows.features["label"].feature.names == ["4v1w"]
    told["sample"]["molecules"]["pdb"][0]["instances"] = 7
    write_config(tmp_path / "a" / "config.yaml", told)
    refused(FormatError, "7 of 7 molecules have no position", parakeet=str(tmp_path))


def test_poses_that_did_not_get_into_a_document_of_roodmus_are_those_of_the_sample(tmp_path):
    ((kinds, _),) = roodmus(tmp_path, count=1)
    rows = load(roodmus=str(tmp_path))
    told = config(kinds)
    for one in told["sample"]["molecules"]["local"]:
        one["instances"] = 3
    write_config(tmp_path / "000000.yaml", told)
    refused(FormatError, r"000000\.yaml: 9 of 9 molecules have no position", roodmus=str(tmp_path))
    write_sample(tmp_path / "000000_sample.h5", kinds)
    again = load(roodmus=str(tmp_path))
    assert again.features == rows.features

    def by_class(row):
        return sorted((label, *np.round(pick, 3)) for label, pick in zip(row["label"], row["picks"], strict=True))

    assert by_class(again[0]) == by_class(rows[0])


def test_of_several_samples_the_one_of_the_runs_name_is_taken(tmp_path):
    kinds = {number: molecules(["a.pdb"], seed=number) for number in (1, 2)}
    for number, own in kinds.items():
        write_h5(tmp_path / f"00000{number}_image.h5", drawn(own, headers()), headers())
        write_sample(tmp_path / f"00000{number}_sample.h5", own)
    rows = load(parakeet=str(tmp_path))
    for number, row in zip((1, 2), rows, strict=True):
        np.testing.assert_allclose(row["picks"], kinds[number]["a.pdb"][0][:, :2] / 2, atol=1e-4)
    write_sample(tmp_path / "other.h5", kinds[1])
    (tmp_path / "000001_sample.h5").unlink()
    refused(FormatError, r"000001_image\.h5: 2 samples beside it", parakeet=str(tmp_path))


def test_noise_is_taken_before_what_has_none_and_exit_waves_never(tmp_path):
    parakeet(tmp_path)
    told = headers(gain=0.0)
    write_h5(tmp_path / "optics.h5", np.ones((1, 150, 190), "f4"), told)
    write_h5(tmp_path / "exit_wave.h5", np.ones((1, 170, 210), "c8"), told)
    assert load(parakeet=str(tmp_path))["path"][:] == ["image.h5"]
    (tmp_path / "image.h5").unlink()
    assert load(parakeet=str(tmp_path))["path"][:] == ["optics.h5"]
    (tmp_path / "optics.h5").unlink()
    refused(NotFoundError, r"no image of Parakeet's .* exit_wave\.h5", parakeet=str(tmp_path))


def test_mrc_files_of_others_are_passed_over(tmp_path):
    parakeet(tmp_path)
    told = headers(application=b"Titan")
    write_mrc(tmp_path / "rec.mrc", np.zeros((1, 20, 20), "f4"), told)
    assert load(parakeet=str(tmp_path))["path"][:] == ["image.h5"]


def test_axes_that_an_mrc_file_does_not_keep_are_not_made_up(tmp_path):
    parakeet(tmp_path, told=headers((0.0, 50.0)), suffixes=("mrc",), scan={"mode": "single_particle"})
    refused(FormatError, "axes MRC files do not keep", parakeet=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"parakeet": "x", "roodmus": "y"}, "parakeet and roodmus: expected one of"),
        ({"parakeet": ""}, "parakeet is ''"),
        ({"roodmus": 7}, "roodmus is 7: expected the path of a folder"),
        ({"parakeet": ".", "structures": ["4v1w"]}, r"structures is \['4v1w'\], which goes with images that are made"),
        ({"roodmus": ".", "snr": 0.2}, "snr is 0.2, which goes with images that are made"),
        ({"structures": ["4v1w"], "on_error": "skip"}, "on_error is 'skip', which goes with parakeet= and roodmus="),
        ({"parakeet": ".", "on_error": "no"}, "on_error is 'no'"),
    ],
)
def test_options_that_do_not_go_together_are_told(options, match):
    with pytest.raises(OptionError, match=match):
        load(**options)


def test_a_folder_that_is_not_there_or_empty_is_told(tmp_path):
    with pytest.raises(NotFoundError, match=r"parakeet is .*/none: no such folder"):
        load(parakeet=str(tmp_path / "none"))
    with pytest.raises(NotFoundError, match="no micrograph of Roodmus'"):
        load(roodmus=str(tmp_path))


def test_names_that_are_no_text_are_told_or_left_out(tmp_path):
    parakeet(tmp_path / "run_1")
    parakeet(tmp_path / "x")
    bad = os.fsencode(tmp_path) + b"/run_\xff"
    os.rename(tmp_path / "x", bad)  # noqa: PTH104 - the name is bytes
    refused(FormatError, r"'run_\\udcff/.*': a name that is not UTF-8: rename it", parakeet=str(tmp_path))
    assert load(parakeet=str(tmp_path), on_error="skip")["path"][:] == ["run_1/image.h5"]


def test_changed_files_give_new_rows(tmp_path):
    parakeet(tmp_path, molecules(["a.pdb"]))
    before = load(parakeet=str(tmp_path))[0]["picks"]
    write_sample(tmp_path / "sample.h5", molecules(["b.pdb"], each=4, seed=3))
    rows = load(parakeet=str(tmp_path))
    assert rows[0]["picks"] != before
    assert rows.features["label"].feature.names == ["b"]


HOSTILE = {
    "an object": "!!python/object/apply:os.system ['true']",
    "a merge of merges": "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}",
    "a deep nest": f"a: {'[' * 70}{']' * 70}",
    "a deep nest of names": f"{'{a: ' * 70}1{'}' * 70}",
    "a huge number": f"sample: {{centre: [{'9' * 5000}, 0, 0]}}",
    "a list": "- 1\n- 2",
    "nothing": "",
    "bytes": b"\x00\x01\xff\xfe",
    "a tab": "a:\n\t- b",
    "a name that is a list": "? [a, b]\n: 1",
    "an endless list": "sample: &s {molecules: {local: [*s]}}",
    "a date that is none": "sample: 2026-99-99",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_documents_are_errors(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FormatError, match=r"config\.yaml: "):
        read_config(str(path), "config.yaml")


def test_lists_that_are_named_again_and_again_are_counted_before_they_are_read(tmp_path):
    one = "{position: [1, 2, 3], orientation: [0, 0, 0]}"
    first = f"{{filename: a.pdb, instances: &i [{', '.join([one] * 2000)}]}}"
    local = ", ".join([first, *["{filename: b.pdb, instances: *i}"] * 2000])
    path = tmp_path / "config.yaml"
    path.write_text(f"sample: {{molecules: {{local: [{local}]}}}}")
    with pytest.raises(FormatError, match="4002000 molecules: expected at most 1000000"):
        read_config(str(path), "config.yaml")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"sample": {"centre": [1, 2]}}, r"sample\.centre is a list of 2 values: expected 3 numbers"),
        ({"sample": {"centre": [1, 2, float("nan")]}}, "expected 3 finite numbers"),
        ({"sample": {"centre": [1, True, "x"]}}, "expected 3 numbers"),
        ({"sample": 7}, "sample is 7: expected names and values"),
        ({"microscope": {"detector": {"pixel_size": 0}}}, "pixel_size is 0: expected a number above 0"),
        ({"microscope": {"beam": {"energy": "high"}}}, r"microscope\.beam\.energy is 'high': expected a number"),
        ({"scan": {"num_fractions": -2}}, r"scan\.num_fractions is -2: expected a whole number"),
        ({"sample": {"molecules": {"local": [{"filename": "a", "instances": [7]}]}}}, r"instances .*expected a list"),
        ({"sample": {"molecules": {"local": [{"instances": 1}]}}}, r"local\.0\.filename is None: expected a text"),
        (
            {"sample": {"molecules": {"pdb": [{"id": "a", "instances": 10**9}]}}},
            "1000000000 molecules: expected",
        ),
    ],
)
def test_values_that_cannot_be_are_told_by_their_names(tmp_path, change, match):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(change))
    with pytest.raises(FormatError, match=match):
        read_config(str(path), "config.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["sample", "molecules", "local", "instances", "position", "centre", "scan", "mode"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_documents_of_any_shape_are_configurations_or_errors(tmp_path, document):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    try:
        assert read_config(str(path), "config.yaml").pixel_size == 1
    except FormatError:
        pass


def test_a_document_longer_than_any_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("builders.synthetic.written.documents.MOST_BYTES", 1000)
    path = tmp_path / "config.yaml"
    path.write_text("a: " + "x" * 1000)
    with pytest.raises(FormatError, match="more than 1000 bytes"):
        read_yaml(str(path), "config.yaml")

"""Values of options as people have them: NumPy's, of pandas, of no order; and too large ones."""

import itertools

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import OptionError
from builders.synthetic import densities
from builders.synthetic.reader import shards_of
from tests.synthetic.conftest import blob, write_map
from tests.synthetic.potentials.made import cif

MICROGRAPH = {"unit": "micrograph", "micrograph_shape": (64, 80), "particles": 2, "min_distance": 0}
TOMOGRAM = {
    "unit": "tomogram",
    "tomogram_shape": (28, 48, 40),
    "particles": 1,
    "min_distance": 0,
    "tilts": (-30, 30, 30),
}


class Frame:
    """What gives an array when it is asked for one, as tables of pandas do."""

    def __init__(self, values):
        self._values = np.array(values)

    def __array__(self, dtype=None, copy=None):
        return self._values.astype(dtype or self._values.dtype)

    def __ne__(self, other):
        return self._values != other


@pytest.mark.parametrize(
    ("unit", "of_numpy", "plain"),
    [
        ({}, {"defocus": np.array([9000.0, 9500.0])}, {"defocus": (9000.0, 9500.0)}),
        ({}, {"snr": np.array([0.5, 1])}, {"snr": (0.5, 1)}),
        ({}, {"snr": np.float32(0.5), "seed": np.int64(3)}, {"snr": 0.5, "seed": 3}),
        (
            {},
            {"orientations": np.array([[10.0, 20, 30], [40, 50, 60]])},
            {"orientations": [[10, 20, 30], [40, 50, 60]]},
        ),
        ({}, {"orientations": Frame([[10.0, 20, 30]])}, {"orientations": [[10, 20, 30]]}),
        (
            {},
            {"orientations": {"axes": np.array([[0, 0, 1]]), "kappa": np.int32(5)}},
            {"orientations": {"axes": [[0, 0, 1]], "kappa": 5}},
        ),
        ({}, {"clean": np.True_}, {"clean": True}),
        (MICROGRAPH, {"micrograph_shape": np.array([64, 80])}, {}),
        (MICROGRAPH, {"particles": (np.int64(1), np.int64(3))}, {"particles": (1, 3)}),
        (
            MICROGRAPH,
            {"particles": np.int64(3), "ice_gradient": np.float32(0.5)},
            {"particles": 3, "ice_gradient": 0.5},
        ),
        (MICROGRAPH, {"frames": np.int64(2), "frame_dose": np.float64(2)}, {"frames": 2, "frame_dose": 2}),
        (TOMOGRAM, {"tilts": np.arange(-30, 31, 20)}, {"tilts": [-30, -10, 10, 30]}),
        (TOMOGRAM, {"tilts": range(-30, 31, 20)}, {"tilts": [-30, -10, 10, 30]}),
        (TOMOGRAM, {"particles": np.int64(1), "membranes": np.float32(0)}, {}),
    ],
)
def test_numbers_of_numpy_are_numbers(options, unit, of_numpy, plain):
    given = {"num_examples": 1} | unit
    found, truth = (load_dataset("synthetic", **options | given | more) for more in (of_numpy, plain))
    np.testing.assert_array_equal(found[0]["image"], truth[0]["image"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": np.array([1, 2])}, r"unit is \[1, 2\]: expected 'particle' or"),
        ({"contrast": np.array([1, 2])}, r"contrast is \[1, 2\]: expected 'dark' or"),
        ({"on_error": np.array([1, 2])}, "on_error is .*goes with parakeet= and roodmus="),
        ({"defocus": 1e30}, r"defocus is 1e\+30: expected a number from -1e\+06 to 1e\+06 Å"),
        ({"snr": 1e30}, r"snr is 1e\+30: expected a number from 1e-12 to 1e\+12"),
        ({"snr": "high"}, r"snr is 'high': expected a number, .* such as 0.1 or \(0.05, 0.2\)"),
        ({"dose": 1e30}, r"dose is 1e\+30: expected a number above 0, up to 1e\+06"),
        ({"ice_snr": 1e-300}, "ice_snr is 1e-300: expected a number above 0"),
        ({"seed": 2**63}, "seed is 9223372036854775808: expected a whole number from 0 to 9223372036854775807"),
        ({"num_examples": 10**30}, "num_examples is 10{30}: expected .* from 1 to 1099511627776"),
        ({"endpoints": 5}, "endpoints is 5: expected a dict"),
        ({"endpoints": ["a"]}, r"endpoints is \['a'\]: expected a dict"),
        ({"orientations": [[1e300, 0, 0]]}, r"orientations .*1e\+300.*: expected .*degrees"),
        ({"orientations": {"axes": [[1e200, 0, 0]], "kappa": 3}}, r"orientations has an axis of length 1e\+200"),
        ({"orientations": {"axes": [[1e-200, 0, 0]], "kappa": 3}}, "orientations has an axis of length 1e-200"),
        (MICROGRAPH | {"frame_dose": 0}, "frame_dose is 0, and frames is None"),
        (MICROGRAPH | {"frame_dose": ""}, "frame_dose is '', and frames is None"),
        (MICROGRAPH | {"drift": ""}, "drift is '': expected a number of at least 0"),
        (MICROGRAPH | {"particles": 10**30}, "particles is .*: expected at most 100,000"),
        (
            MICROGRAPH | {"micrograph_shape": (10**6, 10**6)},
            r"micrograph_shape is \(1000000, 1000000\): expected .*4,294",
        ),
        (MICROGRAPH | {"frames": 10**6}, "frames is 1000000 of micrograph_shape.*: expected .*4,294"),
        (MICROGRAPH | {"frames": 3, "drift": 49}, "drift is 49: expected at most half of the box of 96 Å"),
        (TOMOGRAM | {"min_distance": -1}, "min_distance is -1: expected Å, 0 or more"),
    ],
)
def test_what_no_number_can_be_is_told_by_the_option(options, given, message):
    with pytest.raises(OptionError, match=message):
        load_dataset("synthetic", **{"num_examples": 1} | options | given)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda path: {path, f"{path}x"}, "structures is a set.*: expected a list"),
        (lambda path: {"x" * 1001: path}, "structures has a class of the name 'xxx.*: expected a text of up to 1000"),
        (lambda path: np.array(5.0), "structure is 5.0: expected the path"),
        (lambda path: "https://example.org/4v1w.cif", "structure is 'https://example.org/4v1w.cif': a URL: expected"),
    ],
)
def test_structures_that_cannot_be(options, made, message):
    given = options | {"structures": made(options["structures"][0])}
    with pytest.raises(OptionError, match=message):
        load_dataset("synthetic", num_examples=1, **given)


def test_states_in_no_order_are_told(map_file):
    with pytest.raises(OptionError, match=r"is a set.*: expected a list"):
        densities({map_file}, pixel_size=3.0, box=32)


def test_structures_come_in_whatever_has_an_order(options, tmp_path):
    one, other = (write_map(tmp_path / f"{name}.mrc", blob(at=at)) for name, at in (("b", (5, 0, 0)), ("a", (0, 5, 0))))
    truth = load_dataset("synthetic", num_examples=2, **options | {"structures": [one, other]})
    assert truth.features["label"].names == ["b", "a"]
    for made in (
        lambda: (path for path in (one, other)),
        lambda: np.array([one, other]),
        lambda: {1: one, 2: other}.values(),
        lambda: {"b": np.array([one]), "a": other},
    ):
        found = load_dataset("synthetic", num_examples=2, **options | {"structures": made()})
        assert found.features["label"].names == ["b", "a"]
        np.testing.assert_array_equal(found[1]["image"], truth[1]["image"])


def test_files_that_changed_are_seen_wherever_they_are_named(options, tmp_path):
    path = tmp_path / "a.mrc"
    images = []
    for at in ((0, 0, 0), (6, -3, 2)):
        path.unlink(missing_ok=True)
        write_map(path, blob(at=at))
        given = options | {"structures": np.array([str(path)]), "num_examples": 1, "snr": None}
        images.append(load_dataset("synthetic", **given)[0]["image"])
    assert np.abs(images[0] - images[1]).max() > 0.1 * np.abs(images[0]).max()


def test_a_folder_is_the_place_of_all_services_as_in_structures(options, tmp_path):
    atoms = [("C", "CA", "", "ALA", number, (3.0 * number, 0, 0), 1.0, 20.0) for number in range(6)]
    place = tmp_path / "services" / "rcsb_files" / "download"
    place.mkdir(parents=True)
    (place / "9ABC.cif").write_text(cif(*atoms))
    given = options | {"structures": "9abc", "endpoints": str(tmp_path / "services")}
    ds = load_dataset("synthetic", num_examples=1, **given)
    assert ds.features["label"].names == ["9abc"]
    assert ds[0]["image"].any()


def test_streams_of_very_many_rows_begin_at_once(options):
    shards = shards_of(2**40, 2**30)
    assert len(shards) <= 2**18
    assert (shards[0][0], shards[-1][1]) == (0, 2**40)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(shards))
    stream = load_dataset("synthetic", num_examples=10**12, streaming=True, **options)
    assert next(iter(stream))["index"] == 0

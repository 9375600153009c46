import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from builders.errors import FormatError
from builders.hf.features import DTYPES
from builders.io.casting import cast

REAL = [name for name in DTYPES if "complex" not in name]
WHOLE = [name for name in REAL if "float" not in name]
EDGES = [0, 1, -1, 2, 127, 128, 255, 256, -128, -129, 32767, 32768, 65504, 65519, 65520, 65535, 2**24 + 1, 2**31, 2**32]
EDGES += [-(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 300.5, -0.5, 1e-9, 3.4e38, 3.5e38, -1e300]


def fits(value, name):
    """By exact arithmetic: whether a type has the value, a neighbour that it is rounded to, or its whole part."""
    if name in WHOLE:
        least, most = (0, 1) if name == "bool" else (np.iinfo(name).min, np.iinfo(name).max)
        whole = Fraction(value).denominator == 1
        return least <= int(value) <= most and (whole or name != "bool")
    info = np.finfo(name)
    half_a_step = Fraction(2) ** int(info.maxexp - info.nmant - 2)
    return abs(Fraction(value)) < Fraction(float(info.max)) + half_a_step


@pytest.mark.parametrize("wanted", REAL)
@pytest.mark.parametrize("stored", REAL)
def test_a_value_comes_out_as_the_type_has_it_or_an_error_does(stored, wanted):
    with np.errstate(over="ignore"):
        values = [np.dtype(stored).type(edge) for edge in EDGES if fits(edge, stored)]
    for value in values:
        exact = value.item()
        array = np.array([[0, value]], stored)
        if fits(exact, wanted):
            found = cast(array, wanted, "x")[0, 1]
            assert found.dtype == wanted
            expected = int(exact) if wanted in WHOLE else np.dtype(wanted).type(exact)
            assert found.item() == expected, (value, found)
        else:
            with pytest.raises(
                FormatError, match=f"x\\.mrc: {value} does not fit dtype='{wanted}'".replace("+", r"\+")
            ):
                cast(array, wanted, "x.mrc")


@given(st_np.arrays(np.float32, (2, 3), elements=st.floats(width=32)), st.sampled_from(DTYPES))
def test_what_is_not_finite_stays_so_among_floats_and_is_no_whole_number(array, wanted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = cast(array, wanted, "x")
        except FormatError:
            assert wanted in WHOLE or wanted == "float16"
            return
    assert wanted not in WHOLE or np.isfinite(array).all()
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(array))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(array))


def test_complex_numbers(caplog):
    large = np.array([[1 + 1e300j, complex(np.inf, np.nan)]])
    with pytest.raises(FormatError, match="does not fit dtype='complex64'"):
        cast(large, "complex64", "x")
    assert cast(large[:, 1:], "complex64", "x").dtype == np.complex64
    with pytest.raises(FormatError, match="complex pixels"):
        cast(large, "float64", "x")
    np.testing.assert_array_equal(cast(np.array([2**40]), "complex64", "x"), [2.0**40])


def test_fractions_are_cut_off_with_one_warning(caplog):
    for name in ("a.mrc", "b.mrc"):
        np.testing.assert_array_equal(cast(np.array([1.75, -1.75, 3]), "int16", name), [1, -1, 3])
    assert [record.message for record in caplog.records] == [
        "a.mrc: fractions are cut off, as of 1.75, for dtype='int16' (said once)"
    ]
    cast(np.array([2.0, 3.0]), "uint8", "c.mrc")
    assert len(caplog.records) == 1


def test_nothing_is_looked_at_where_types_tell_enough():
    class Blind(np.ndarray):
        def min(self, *args, **kwargs):
            raise AssertionError

    for stored, wanted in (("int16", "float32"), ("uint8", "int16"), ("float32", "float64"), ("uint64", "float32")):
        cast(np.ones((2, 2), stored).view(Blind), wanted, "x")

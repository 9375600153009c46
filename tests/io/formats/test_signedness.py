import numpy as np
import pytest

from builders.io import image_file
from builders.io.formats.mrc.signedness import sign_of
from tests.mrc_encoder import header

UNKNOWN, ZEROS = (0, -1, -2), (0, 0, 0)


@pytest.mark.parametrize("stamped", [None, True, False])
@pytest.mark.parametrize("mode", [0, 1, 6])
def test_statistics_of_either_kind_are_followed_but_for_what_is_written_down(mode, stamped):
    low, high = {0: (-128, 127), 1: (-32768, 32767), 6: (-32768, 32767)}[mode]
    both = [UNKNOWN, ZEROS, (0, high, 5), (1, 2, 1.5), (low - 1, 0, -3), (0, 3 * high, 4), (-5, 2 * high, 3)]
    stale = [(-0.5, 0.9, 0.1), (0, 2 * high + 0.5, 9), (float("nan"), 2 * high, 5), (0, high + 9, high + 90)]
    signed = [(low, high, -0.5), (-1, 0, -0.5), (-7, -3, -9)]
    unsigned = [
        (0, 2 * high, 3),
        (high + 1, high + 1, high + 1),
        (0, 2 * high + 1, -1),
        (0, -1, high + 20),
        (0, 0, 2 * high),
    ]
    by_itself = {0: True if stamped is None else stamped, 1: True, 6: False}[mode]
    for kind, cases in ((None, both + stale), (True, signed), (False, unsigned)):
        for statistics in cases:
            found = sign_of(mode, stamped, *statistics)
            follows = kind is not None and mode != 6 and (mode == 1 or stamped is None)
            assert found.signed is (kind if follows else by_itself), statistics
            assert bool(found.note) == (kind is not None and kind is not by_itself), "what surprises is said"
            assert found.is_known == (mode == 6 or (mode == 0 and stamped is not None) or kind is not None)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("mode", "dtype"), [(0, "u1"), (1, "u2")])
def test_unsigned_pixels_come_out_as_they_were_and_it_is_said_once(tmp_path, caplog, mode, dtype, order):
    values = np.array([[0, 50, 100, 127], [128, 150, 200, 255]], dtype) * (1 if mode == 0 else 257)
    head = header(4, 2, 1, mode, order=order, statistics=(0, values.max(), values.mean()))
    for name in ("a.mrc", "b.mrc"):
        (tmp_path / name).write_bytes(bytes(head) + values.astype(f"{order}{dtype}").tobytes())
        read = image_file.read(tmp_path / name)[0]
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, values)
    assert [record.message.count("as DMIN, DMAX or DMEAN show") for record in caplog.records] == [1]

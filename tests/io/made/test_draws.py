"""Random numbers of rows: those that the papers have, of every row alone, and of the distributions that they claim."""

import numpy as np
import pytest

from builders.io.made.draws import generator, normals, philox, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # known answers of Random123, as its own tests have them
        ([0, 0, 0, 0], (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, words):
    assert [int(word) for word in philox([np.array(value, np.uint64) for value in counter], key)] == words


def test_a_row_gets_the_same_alone_and_among_others():
    indices = np.array([5, 0, 2**40 + 3, 5])
    several = uniforms(-1, "a", indices, 5)
    for row, index in zip(several, indices, strict=True):
        assert (uniforms(-1, "a", np.array([index]), 5)[0] == row).all()
    assert (several[0] == several[3]).all()
    assert len(np.unique(several[:3])) == 15


def test_no_rows_have_no_numbers():
    none = np.zeros(0, np.int64)
    assert uniforms(1, "a", none, 5).shape == normals(1, "a", none, 5).shape == (0, 5)


def test_seeds_purposes_and_rows_have_numbers_of_their_own():
    indices = np.arange(1000)
    drawn = [uniforms(seed, purpose, indices, 3) for seed in (0, 1, 2**70) for purpose in ("a", "b")]
    assert len(np.unique(np.stack(drawn))) == 6 * 3000


def test_distributions():
    uniform, normal = uniforms(3, "u", np.arange(50_000), 3), normals(3, "n", np.arange(50_000), 3)
    for moment, expected, deviation in ((1, 1 / 2, 1 / 12), (2, 1 / 3, 4 / 45)):
        assert abs((uniform**moment).mean(0) - expected).max() < 4 * np.sqrt(deviation / 50_000)
    for moment, expected, deviation in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        assert abs((normal**moment).mean(0) - expected).max() < 4 * np.sqrt(deviation / 50_000)
    assert abs(np.corrcoef(np.concatenate([uniform, normal], 1).T) - np.eye(6)).max() < 4 / np.sqrt(50_000)


def test_generators_of_rows():
    first, again, other = (generator(1, "noise", index).standard_normal(1000) for index in (4, 4, 5))
    assert (first == again).all()
    assert not np.isin(first, other).any()

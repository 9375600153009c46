"""Words in pictures: every letter is drawn, or another one that stands for it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from builders.drawing.lettering import write


def drawn(text, size=16):
    sheet = Image.new("L", (240, 30), 255)
    write(ImageDraw.Draw(sheet), (4, 4), text, size, 0)
    return np.asarray(sheet)


def plainly(text, size=16):
    sheet = Image.new("L", (240, 30), 255)
    ImageDraw.Draw(sheet).text((4, 4), text, fill=0, font=ImageFont.load_default(size))
    return np.asarray(sheet)


@pytest.mark.parametrize("text", ["defocus 1.2 (U - V), 90°", "mic_001.mrc: 12 particles"])
def test_what_the_font_has_is_written_as_it_writes_it(text):
    np.testing.assert_array_equal(drawn(text), plainly(text))


@pytest.mark.parametrize(("letter", "like"), [("Å", "A"), ("µ", "u")])
def test_units_are_letters_with_a_mark_more(letter, like):
    ours, without = drawn(f"3.5 {letter} a pixel"), plainly(f"3.5 {like} a pixel")
    assert 2 <= np.count_nonzero(ours != without) <= 40
    assert (ours <= without).all()


@pytest.mark.parametrize("letter", [*"Åµéグ", "\u2013", "A\u030a", "\u212b"])
def test_no_letter_is_the_fonts_box(letter):
    box = plainly("\U0010ffff")
    assert not np.array_equal(drawn(letter), box)
    assert (drawn(letter) < 128).any()

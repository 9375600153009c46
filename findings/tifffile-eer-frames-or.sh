#!/usr/bin/env bash
# Frames of an EER movie, read by tifffile and added one to another, as movies are summed to micrographs.
#
# Versions:  tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2.4.6.
# Valid use: an EER file as a Falcon 4 writes it (BigTIFF, a page a frame, compression 65001: runs of 7 bits, events to a
#            quarter of a pixel), two frames in which some pixels counted an electron each.
# Expected:  frames are counts: a pixel with an electron in both of them has 2 in their sum.
# Seen:      frames are of type bool, so `a + b` and `total += frame` are a logical or: that pixel has 1, and of all
#            electrons those are lost that fell on a pixel twice, without a word. `sum(axis=0)` of all frames at once
#            counts right, for 8 bytes a pixel.
# For users: builders sum EER frames in uint16, `T.GainCorrect` makes float32 of them; whoever reads by tifffile adds
#            `frame.astype("uint16")`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"

cat > seen.py <<'PYTHON'
import struct

import numpy as np
import tifffile

SIDE, RUN = 32, 127
rng = np.random.default_rng(0)
counts = (rng.random((2, SIDE, SIDE)) < 0.2).astype(int)


def coded(frame):
    """A run of pixels without an event and an event in the middle of the next pixel, until there are none left."""
    bits, before = [], -1
    for place in [*np.flatnonzero(frame), frame.size]:
        run = int(place) - before - 1
        while run >= RUN:
            bits += [(RUN, 7)]
            run -= RUN
        bits += [(run, 7)] if place == frame.size else [(run, 7), (2, 2), (2, 2)]
        before = int(place)
    text = "".join(f"{number:0{length}b}"[::-1] for number, length in bits)
    text += "0" * (-len(text) % 16)
    return bytes(int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8))


metadata = b'<metadata><item name="numberOfFrames">2</item><item name="totalDose" unit="e/pixel">0.4</item></metadata>'
file = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) + metadata)
link = 8
for frame in counts:
    place = len(file)
    file += coded(frame.ravel())
    size = len(file) - place
    tags = {256: SIDE, 257: SIDE, 258: 1, 259: 65001, 262: 1, 273: place, 277: 1, 278: SIDE, 279: size}
    file[link : link + 8] = struct.pack("<Q", len(file))
    entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags.items())
    entries += struct.pack("<HHQQ", 65001, 7, len(metadata), 16)
    file += struct.pack("<Q", len(tags) + 1) + entries
    link = len(file)
    file += bytes(8)
with open("movie.eer", "wb") as out:
    out.write(file)

first, second = (tifffile.imread("movie.eer", key=number) for number in (0, 1))
assert (first == counts[0]).all()
assert (second == counts[1]).all()
both = int((first + second).sum())
print(f"frames of {first.dtype}: {counts.sum()} electrons, {both} in frame + frame")
assert first.dtype == bool, f"no longer so: {first.dtype}"
assert both == int((counts.sum(axis=0) > 0).sum()) < counts.sum()
assert tifffile.imread("movie.eer").sum() == counts.sum()
PYTHON
"$folder/venv/bin/python" seen.py

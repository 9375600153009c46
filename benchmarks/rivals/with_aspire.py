"""ASPIRE: images of a simulation, of seven defoci, as in its examples, with white noise."""

import os
import sys
from pathlib import Path

import numpy as np
from answering import answer

path, pixel_size, count, folder = sys.argv[1:]
rows = int(count)
Path(folder, "config.yaml").write_text(f"logging:\n  log_dir: {folder}\n  console_level: ERROR\n", "utf-8")
os.environ["ASPIREDIR"] = folder  # it opens a log where it is imported

from aspire.noise import WhiteNoiseAdder  # noqa: E402
from aspire.operators import RadialCTFFilter  # noqa: E402
from aspire.source import Simulation  # noqa: E402
from aspire.volume import Volume  # noqa: E402

volume = Volume(np.load(path), pixel_size=float(pixel_size))
simulation = Simulation(
    n=rows,
    vols=volume,
    unique_filters=[RadialCTFFilter(300, defocus, 2.7, 0.1) for defocus in np.linspace(5000, 25000, 7)],
    noise_adder=WhiteNoiseAdder(var=1.0),
    dtype=np.float32,
)


def images() -> int:
    """A pass, in one batch."""
    made = simulation.images[:].asnumpy()
    assert made.dtype == np.float32
    return len(made)


answer({"images": images})

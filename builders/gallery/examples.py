"""The transforms of the gallery, each with options that let its effect be seen."""

from collections.abc import Callable
from dataclasses import dataclass

import perc_transforms as T
from builders.gallery import subjects
from builders.gallery.subjects import Row

Subject = Callable[[], Row]
HISTOGRAM = ("histogram",)


@dataclass(frozen=True)
class Example:
    """A transform, and what it is shown on.

    Attributes:
        transform: with options that suit the subjects.
        image: the image or movie, or the volume that becomes an image; None: it works on volumes only.
        volume: the volume; None: it works on images only.
        one_grey: before and after are drawn in one grey scale; else each in its own.
        shown: what the subject is drawn as, where it is no single image; None: as it is.
        before: the words beside it.
        drawn: the column that the transform makes.
        shows: what stands beside the pictures: `spectrum`, of the power; or, where that does not show the change,
            `histogram`, of the values, `falloff`, of the power by frequency, `gain`, of how many times the amplitude
            becomes, or `transfer`, of what there is of each frequency, with its sign.
    """

    transform: T.Transform
    image: Subject | None = subjects.particle
    volume: Subject | None = subjects.volume
    one_grey: bool = True
    shown: Callable[[Row], Row] | None = None
    before: str = "before"
    drawn: str = "image"
    shows: tuple[str, ...] = ("spectrum",)


EXAMPLES = (
    Example(T.Rescale(32)),
    Example(T.FourierCrop(pixel_size=4)),
    Example(T.FourierPad(pixel_size=1.5), image=subjects.projected),
    Example(T.Lowpass(resolution=15)),
    Example(T.Highpass(resolution=40)),
    Example(T.Bandpass(low=40, high=15)),
    Example(T.GaussianBlur(sigma_angstrom=5)),
    Example(T.RandomGaussianBlur(sigma=(1, 3))),
    Example(T.Whiten(), one_grey=False),
    Example(T.MissingWedge(min_angle=-50, max_angle=50), image=None),
    Example(T.GainCorrect(subjects.gain()), image=subjects.uncorrected, volume=None, one_grey=False),
    Example(T.HotPixels(sigma=5), image=subjects.hot_particle, volume=None, one_grey=False, shows=HISTOGRAM),
    Example(T.Normalize(), image=subjects.raw_particle, volume=subjects.raw_volume, one_grey=False, shows=HISTOGRAM),
    Example(
        T.NormalizeBackground(radius_angstrom=80),
        image=subjects.raw_particle,
        volume=subjects.raw_volume,
        one_grey=False,
        shows=HISTOGRAM,
    ),
    Example(T.MinMax(), image=subjects.raw_particle, volume=subjects.raw_volume, one_grey=False, shows=HISTOGRAM),
    Example(
        T.PercentileClip(low=0.1, high=99.9),
        image=subjects.hot_particle,
        volume=subjects.hot_volume,
        one_grey=False,
        shows=HISTOGRAM,
    ),
    Example(
        T.InvertContrast(), image=subjects.raw_particle, volume=subjects.raw_volume, one_grey=False, shows=HISTOGRAM
    ),
    Example(T.SoftMask(radius_angstrom=75, edge=8), volume=subjects.raw_volume),
    Example(T.CenterCrop(48)),
    Example(T.RandomCrop(48)),
    Example(T.Pad(128), image=subjects.imaged),
    Example(T.RandomRotate90()),
    Example(T.RandomFlip(seed=3)),
    Example(T.RandomRotate(max_angle=30, seed=3)),
    Example(T.RandomShift(max_shift=10)),
    Example(
        T.PickMap(radius_angstrom={0: 24, 1: 14}),
        image=subjects.micrograph,
        volume=subjects.tile,
        one_grey=False,
        drawn="labels",
    ),
    Example(T.Project(), image=subjects.volume, volume=None, one_grey=False, shown=subjects.section, before="xy slice"),
    Example(T.CTF(), image=subjects.projected, volume=None, one_grey=False, shows=("spectrum", "transfer")),
    Example(T.PhaseFlip(), image=subjects.imaged, volume=None, shows=("spectrum", "transfer")),
    Example(T.WienerFilter(constant=0.02), image=subjects.imaged, volume=None, shows=("spectrum", "transfer")),
    Example(T.Envelope(b_factor=400), shows=("falloff",)),
    Example(
        T.DoseWeight(dose_per_frame=subjects.DOSE_PER_FRAME),
        image=subjects.movie,
        volume=None,
        shown=T.DoseWeight(dose_per_frame=0),
        before="sum",
        shows=("spectrum", "gain"),
    ),
    Example(T.ShotNoise(dose=20), image=subjects.contrast, volume=None, one_grey=False),
    Example(T.AddNoise(snr=0.1)),
    Example(T.Cutout(size=16, number=3)),
    Example(T.Mixup(alpha=1.0, num_classes=2, seed=1), image=subjects.two_particles, volume=None),
    Example(T.ToTensor(channel=True), image=subjects.counted, volume=None, shows=HISTOGRAM),
    Example(
        T.Compose([T.InvertContrast(), T.NormalizeBackground(), T.Lowpass(resolution=10), T.FourierCrop(pixel_size=4)]),
        image=subjects.raw_particle,
        volume=None,
        one_grey=False,
    ),
)
"""In the order in which the gallery shows them."""

"""Which convention fits, and whether it fits better than others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from builders.particles.checking.comparison import Comparison, Names
from builders.particles.checking.conventions import RANDOM, says
from builders.particles.checking.scoring import surplus

MARGIN = 4.0
"""Standard errors by which one convention has to fit better than another: some hundreds are tried."""
_SIMPLER = 2.0
"""Standard errors that more breaks than another convention's have to be better by, to be mentioned beside it."""
STATED = "as stated"


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        best: a sentence.
        breaks: those of the convention that fits; none: as stated; None: none fits, or several do.
        shown: those of the one that comes closest.
        notes: what cannot be told.
    """

    best: str
    breaks: Names | None
    shown: Names = ()
    notes: tuple[str, ...] = ()


def name_of(names: Names) -> str:
    """A convention by its breaks."""
    return ", ".join(names) or STATED


def judge(comparison: Comparison, scores: Mapping[Names, Tensor]) -> Verdict:
    """Which convention projections fit.

    Args:
        comparison: particles beside a volume's projections.
        scores: the correlation of each image, by breaks.
    """
    fits = _fitting(scores)
    control = comparison.score(fits[0], RANDOM)
    told = f"correlation {_mean(scores[fits[0]])}, {_mean(control)} with random orientations"
    if surplus(scores[fits[0]], control) < MARGIN or surplus(scores[fits[0]]) < MARGIN:
        best = f"nothing fits: of {len(scores)} conventions the best, {name_of(fits[0])}, is no better than chance "
        best += f"({told}): another map, one in another frame than the poses or round, boxes cut at other places "
        best += "(flip_y), or too few images"
        return Verdict(best, None)
    return _sentence(comparison, scores, fits, "the images fit projections at the table's poses with its CTF", told)


def judge_alone(comparison: Comparison, scores: Mapping[Names, Tensor]) -> Verdict:
    """What images tell without a volume: their contrast, and whether the shifts centre them."""
    fits = _fitting(scores)
    if surplus(scores[fits[0]]) < MARGIN:
        return Verdict("nothing can be told from the images alone: their mean does not differ from noise", None)
    what = "as far as images alone tell: bright particles, which the shifts centre"
    told = f"correlation with their mean {_mean(scores[fits[0]])}"
    verdict = _sentence(comparison, scores, fits, what, told)
    without = "rotations, hand and the sign of the CTF cannot be told without a volume"
    return Verdict(verdict.best, verdict.breaks, verdict.shown, (without, *verdict.notes))


def _fitting(scores: Mapping[Names, Tensor]) -> list[Names]:
    """The conventions that may be: the stated one, where none fits better; else those of the fewest breaks."""
    best = max(scores, key=lambda names: float(scores[names].mean()))
    alike = [names for names, each in scores.items() if surplus(scores[best], each) < MARGIN]
    if () in alike:
        return [()]
    fewest = min(map(len, alike))
    fits = [names for names in alike if len(names) == fewest]
    if best not in fits and all(surplus(scores[best], scores[names]) > _SIMPLER for names in fits):
        fits.append(best)
    return sorted(fits, key=lambda names: -float(scores[names].mean()))


def _sentence(
    comparison: Comparison, scores: Mapping[Names, Tensor], fits: list[Names], what: str, told: str
) -> Verdict:
    if len(fits) > 1:
        best = f"not {STATED}, but several conventions fit alike: {'; or '.join(map(name_of, fits))} ({told})"
        return Verdict(best, None, fits[0], _untold(comparison.untold))
    chosen = fits[0]
    alike = [names for names, each in scores.items() if {*names} > {*chosen} and len(names) == len(chosen) + 1]
    close = [names for names in alike if surplus(scores[chosen], scores[names]) < MARGIN]
    others = [name for names in close for name in names if name not in chosen]
    notes = _untold([*comparison.untold, *others])
    if not chosen:
        return Verdict(f"{STATED}: {what} ({told})", chosen, chosen, notes)
    best = f"not {STATED}: {'; and '.join(says(chosen))} ({told}, {_mean(scores[()])} as stated)"
    return Verdict(best, chosen, chosen, notes)


def _untold(names: Iterable[str]) -> tuple[str, ...]:
    found = "; ".join(dict.fromkeys(names))
    return (f"these fit as well, or are the same here: {found}",) if found else ()


def _mean(scores: Tensor) -> str:
    return f"{float(scores.mean()):.3f}"

"""What is odd about files that are read all the same: said once."""

import logging

logger = logging.getLogger(__name__)

MOST_TOLD = 10
"""Files whose sizes contradict their headers that a process speaks of."""
_SIZE = "size of "
_warned: set[str] = set()


def report_contradiction(said: str, name: str) -> None:
    """Say of each file, once, what its size contradicts; of the first ones, where there are many."""
    told = sum(key.startswith(_SIZE) for key in _warned)
    if _SIZE + name in _warned or told >= MOST_TOLD:
        return
    _warned.add(_SIZE + name)
    logger.warning("%s: %s%s", name, said, "; further such files are not reported" if told + 1 == MOST_TOLD else "")


def report_deviation(deviation: str, name: str) -> None:
    """Say once a process, for each kind of broken rule, that the file was read all the same."""
    kind = deviation.partition(" (")[0]
    if kind not in _warned:
        _warned.add(kind)
        logger.warning("%s: %s; read all the same (said once, for this file and others like it)", name, deviation)


def report_once(said: str, name: str) -> None:
    """Say something of a file once a process."""
    if (key := f"{name}: {said}") not in _warned:
        _warned.add(key)
        logger.warning("%s", key)

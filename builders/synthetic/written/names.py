"""Names of molecules: a class has that of its structure's file, without the folder and the suffix."""

import re
from collections import Counter
from collections.abc import Sequence

_SUFFIX = re.compile(r"[._](?:pdb1?|ent|cif|mmcif)(?:[._]gz)?$", re.IGNORECASE)
_ROLE = re.compile(r"(?:^|[_.-])(?:images?|optics|exit_?wave|sample|config)$", re.IGNORECASE)


def labels_of(names: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """The classes of kinds of molecules.

    A sample spells the paths of structures with `_` for slashes and dots; a configuration tells which they are.

    Args:
        names: of the kinds, as a sample or a configuration spells them.
        files: the structures' names in the configuration, if there is one.

    Example:
        >>> labels_of(["confs_conf_10_pdb", "4v1w"], ["confs/conf_10.pdb"]), labels_of(["confs_conf_10_pdb"], [])
        (('conf_10', '4v1w'), ('confs_conf_10',))
    """
    spelt = {re.sub(r"[/\\.]", "_", file): file for file in files}
    whole = [_SUFFIX.sub("", spelt.get(name, name)) for name in names]
    short = [re.split(r"[/\\]", name)[-1] or name for name in whole]
    counts = Counter(short)
    return tuple(own if counts[own] == 1 else name for own, name in zip(short, whole, strict=True))


def run_name(stem: str) -> str:
    """What files of a run have in common in their names: what stands before what they are.

    Example:
        >>> run_name("000012_image"), run_name("sample"), run_name("000012")
        ('000012', '', '000012')
    """
    return _ROLE.sub("", stem)

"""STAR files that tests make."""


def loop(name, labels, rows, end="\n"):
    """A block of a table; rows are texts, or lists of values."""
    lines = [f"data_{name}", "", "loop_", *(f"_{label} #{number}" for number, label in enumerate(labels, 1))]
    lines += [row if isinstance(row, str) else " ".join(map(str, row)) for row in rows]
    return "\n".join(lines) + end


def simple(name, values):
    """A block of single values."""
    return "\n".join([f"data_{name}", "", *(f"_{label}   {value}" for label, value in values.items())]) + "\n"


OPTICS = ("rlnOpticsGroup", "rlnVoltage", "rlnSphericalAberration", "rlnImagePixelSize", "rlnImageSize")
TWO_GROUPS = loop("optics", OPTICS, [(1, "300.0", "2.7", "1.5", 64), (2, "200.0", "1.4", "3.0", 32)])

"""Tables of particles made by hand, as `builders.io.tables` gives them."""

import numpy as np
import pyarrow as pa

from builders.io.tables.particle_table import CTF, NAME, POSE, SCHEMA, ParticleTable


def table_of(extra=None, program="relion", **columns):
    """A table of some columns of `SCHEMA`, the others null; and of others besides."""
    count = len(next(iter(columns.values())))
    made = {}
    for field in SCHEMA:
        values = columns.get(field.name)
        if values is None:
            made[field.name] = pa.array([0] * count if field.name == "slice" else [None] * count, field.type)
        elif field.type == NAME:
            made[field.name] = pa.array(values, pa.string()).dictionary_encode()
        else:
            made[field.name] = pa.array(values, field.type, from_pandas=True)
    rows = pa.table(made, schema=SCHEMA)
    others = pa.table(extra or {})
    return ParticleTable("p.star", program, rows, others, "pose" in columns, "ctf" in columns)


def ctf(defocus):
    """A CTF that can be told from others."""
    return {name: np.float32(defocus + place) for place, name in enumerate(field.name for field in CTF)}


def pose(rot):
    """A pose that can be told from others."""
    return {name: np.float32(rot + place) for place, name in enumerate(field.name for field in POSE)}

"""A plain reader of the tables that tests write, as an oracle."""

from pathlib import Path

import pyarrow as pa

from builders.io.tables.particle_table import CTF, POSE, SCHEMA, ParticleTable

NUMBERS = {
    **{"pixel_size": "rlnImagePixelSize", "image_size": "rlnImageSize", "coordinate_x": "rlnCoordinateX"},
    **{"coordinate_y": "rlnCoordinateY", "optics_group": "rlnOpticsGroup", "half_set": "rlnRandomSubset"},
    "class_number": "rlnClassNumber",
}
STRUCTS = {
    "ctf": {
        **{"defocus_u": "rlnDefocusU", "defocus_v": "rlnDefocusV", "defocus_angle": "rlnDefocusAngle"},
        **{"voltage": "rlnVoltage", "spherical_aberration": "rlnSphericalAberration"},
        "amplitude_contrast": "rlnAmplitudeContrast",
    },
    "pose": {
        **{"rot": "rlnAngleRot", "tilt": "rlnAngleTilt", "psi": "rlnAnglePsi"},
        **{"shift_x": "rlnOriginXAngst", "shift_y": "rlnOriginYAngst"},
    },
}


def blocks(text):
    """Rows as dicts, by block."""
    found = {}
    for line in text.splitlines():
        if line.startswith("data_"):
            names, rows = [], []
            found[line[5:]] = rows
        elif line.startswith("_"):
            names.append(line.split()[0][1:])
        elif line and not line.startswith(("#", "loop_")):
            rows.append(dict(zip(names, line.split(), strict=True)))
    return found


def read_particles(files, columns):
    """As the library's."""
    parts = blocks(Path(files[0]).read_text())
    optics = {row["rlnOpticsGroup"]: row for row in parts["optics"]}
    rows = [optics[row["rlnOpticsGroup"]] | row for row in parts["particles"]]

    def number(row, name):
        return float(row[name]) if name in row else None

    def names(values):
        return pa.chunked_array([pa.array(values, pa.string()).dictionary_encode()])

    made = {name: pa.nulls(len(rows), kind) for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)}
    for name, label in NUMBERS.items():
        made[name] = pa.array([number(row, label) for row in rows]).cast(SCHEMA.field(name).type)
    for name, labels in STRUCTS.items():
        values = [{field: number(row, label) for field, label in labels.items()} for row in rows]
        made[name] = pa.array(values, {"ctf": CTF, "pose": POSE}[name])
    made["image"] = names([row["rlnImageName"].partition("@")[2] for row in rows])
    made["slice"] = pa.array([int(row["rlnImageName"].partition("@")[0]) - 1 for row in rows], pa.int64())
    made["micrograph"] = names([row["rlnMicrographName"] for row in rows])
    extra = pa.table({name: pa.array([int(row[name]) for row in rows], pa.int64()) for name in columns})
    return ParticleTable(str(files[0]), "relion", pa.table(made, schema=SCHEMA), extra, True, True)

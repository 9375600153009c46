"""Tables of particles, in files of RELION and CryoSPARC, as columns of one vocabulary.

From outside: `read_particles`, `ParticleTable` and its types. `star.read` and `cryosparc.read_fields` are for whoever
wants what a file says as it says it.
"""

from builders.io.tables.particle_table import CTF, NAME, POSE, SCHEMA, ParticleTable
from builders.io.tables.reading import read_particles

__all__ = ["CTF", "NAME", "POSE", "SCHEMA", "ParticleTable", "read_particles"]

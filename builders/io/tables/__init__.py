"""Tables of particles, in files of RELION and CryoSPARC, as columns of one vocabulary."""

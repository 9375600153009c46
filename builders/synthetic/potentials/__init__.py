"""Volumes of electrostatic potential, of structures and of maps: `builders.synthetic.density`, and the builder's."""

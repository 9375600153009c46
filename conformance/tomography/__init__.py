"""Tomograms, picks and tilt series beside packages that write or read their files, in an environment of its own."""

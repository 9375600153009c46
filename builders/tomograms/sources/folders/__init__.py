"""Tomograms of folders and of EMPIAR's entries, where nothing but names tells what belongs together."""

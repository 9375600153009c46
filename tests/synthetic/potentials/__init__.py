"""Volumes of structures and maps."""

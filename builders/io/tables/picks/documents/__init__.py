"""Picks in JSON: copick's, and the points of the CryoET Data Portal."""

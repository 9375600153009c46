"""Datasets as the CryoET Data Portal lays them out, in a mirror of it or at its address."""

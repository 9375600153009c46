"""Looking at a table of particles, before anything is loaded: counts, optics, what is missing, histograms.

From outside: `summary.summarise` of a table, `report.describe` in words, `picture.picture_of` as a picture.
"""

"""Looking at tomograms before anything is loaded: sizes, levels, picks by class, masks, three sections of each.

From outside: `summary.summarise` of what a source has, `report.describe` in words, `picture.picture_of` as a picture.
"""

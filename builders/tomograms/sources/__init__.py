"""Where tomograms lie, with their picks, masks and halves: folders, entries, copick projects, the portal's layout.

`find` is asked for a source and answers which tomograms there are; everything below it turns one kind of source into
`Candidate`s, of which it makes the same thing.
"""

from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.finding import find
from builders.tomograms.sources.found import Found, Tomogram, Volume

__all__ = ["Asked", "Found", "Tomogram", "Volume", "find"]

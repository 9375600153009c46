"""Images whose bytes lie in other files than the one that a reference names, which tells where they are.

`base.Scattered` is what they have in common; `base.of` finds it in a layout, and `base.read` reads it. `chunks.Chunked`
is an array of Zarr, whose metadata file a reference names; `chunks.read_parts` reads many boxes of it at once, and
`held.Held` keeps chunks for the boxes that follow, on a `shelf.Shelf` with those of other arrays.
`joined.Joined` are images of several files as sections of one.
"""

"""Tomograms that are made: molecules and membranes in a slab of ice, tilted, recorded and reconstructed.

`scene` has what there is to say of them beyond the recipe. `specimen` is what a tomogram is of: where `placing` puts
`molecules` about the vesicles of `membranes`. `tilting` makes its images, whose projections are `slices` of its
spectrum, `reconstruction` a volume of these, and `maker` rows.
"""

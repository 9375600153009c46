"""Boxes of images that may reach beyond them: `overhang` says what fills these; many at once are read by `reading`.

`crowds` parts them by the rows of pixels that they cross, which are all that is read, here or by `remote`.
"""

"""EER: movies of electron events, which Thermo Fisher's Falcon cameras write as TIFF files of their own coding.

From outside: `format.Eer`; `format.magnified`, the same movie on a finer grid.
"""

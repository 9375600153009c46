"""Images that other simulators wrote, as rows: Parakeet's folders and Roodmus'.

`written.py` is the way in: `find` says what there is, its answer makes rows. `finding.py` says which files belong
together, `documents.py`, `configs.py`, `samples.py` and `stacks.py` read them, `geometry.py` says where molecules are
seen, `rows.py` makes columns of that.

What their files say, and what they do not: units, signs and frames are those of the programs' own sources (Parakeet
0.6.8, python-multem 0.4.1, Roodmus 0.0.39).
"""

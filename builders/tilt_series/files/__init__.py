"""Which files there are and which belong together: `listing.py` lists them, `names.py` says what they are called.

`matching.Matching` makes a `plans.Plan` of each series; `nearness.py` says which of several files is meant.
"""

"""What `perc tilt_series inspect` tells and draws: `summary.py` counts, `picture.py` draws the tilt scheme."""

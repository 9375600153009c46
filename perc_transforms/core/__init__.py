"""What all transforms have in common: forms of their input, batches, sizes, draws, epochs, memory.

From outside: `base.Transform`, `drawing.RandomTransform`, `collation.collate`; `buffers`, `stacking`: memory.
"""

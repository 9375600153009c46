"""Streams that pass whole batches from layer to layer: their images as stacks, their other columns as lists or arrays.

A layer that can do so has `iter_batches`; `mapping.gives_batches` tells whether it, and what is below it, can. All
other layers pass rows, as `datasets` has them do.
"""

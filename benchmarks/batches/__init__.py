"""Whole batches: how fast they come, what they cost to hold, and what an index of a million rows costs."""

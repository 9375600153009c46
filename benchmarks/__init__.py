"""`make bench`: what it costs to read, beside a bare loop over a memory map."""

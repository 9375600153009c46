"""Shuffled streams that resume exactly: they hold pixels as files have them, and their states say of which rows."""

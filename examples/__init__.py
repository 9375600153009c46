"""What the library is for, as programs that run on generated data."""

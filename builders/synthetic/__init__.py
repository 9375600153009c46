"""`load_dataset("synthetic", ...)`: images made of structures, and what other simulators wrote."""

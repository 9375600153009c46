"""Images that are made when they are read: how fast, beside other simulators, and what structures take to draw."""

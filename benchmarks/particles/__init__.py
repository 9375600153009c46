"""Tables of particles joined to their stacks."""

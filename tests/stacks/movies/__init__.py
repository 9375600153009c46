"""Movies as rows."""

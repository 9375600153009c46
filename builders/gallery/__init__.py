"""Pictures of what the transforms of `perc_transforms` do."""

"""Projects of copick: their config, their layout, and the words that choose among their files."""

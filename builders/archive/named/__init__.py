"""What tables and options name: places on this machine or in an entry of the archive, and the files that are meant."""

"""Modules of `builders` that have moved since version 0.1: see `perc_transforms.moved`."""

ROOMS = {
    "builders.hf": "data_files exporting nulls registry streaming",
    "builders.io.net": "answers connections deadline http no_connection pace:rate_limit remote retrying threads",
    "builders.io.files": "cache header_store hidden location order:natural_order ranged_file whole_file",
    "builders.io.formats": "compression npy stream_end",
    "builders.io.formats.mrc@builders.io": "file_size likeness mrc_writing:writing signs:signedness",
    "builders.archive@builders.empiar": "archive caching catalogue citations listing mirror patterns remembered",
    "builders.stacks@builders.empiar": "cutting items:slices_or_files rows shards",
    "builders.structures.databases": "alphafold cath holdings id_files ids rcsb resolve services sources spellings",
    "builders.structures.uniprot": "alignment peptides:entries references",
    "builders.structures.reading": (
        "alternatives annotations assembly cif_atoms content doubts flat kinds parse pdb_text salvage"
    ),
    "builders.structures.cleaning": "cutting:sequences writing",
    "builders.publishing@builders.publishing": "reading:reading_back",
    "builders.publishing.front": "card columns markdown provenance",
    "builders.publishing.hub": "hub_client:client hub_faults:faults",
    "builders.publishing.writing": "encoding fitting job preview rows schema shard source values",
    "builders@builders": "archives:archive_licences",
}
"""Where they are now -> what they were called; see `perc_transforms.moved.Moved`."""

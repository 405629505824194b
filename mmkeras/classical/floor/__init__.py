"""What simple models of a table's modalities reach: the floor under every deep result."""

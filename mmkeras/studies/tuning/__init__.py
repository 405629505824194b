"""Search for settings on validation rows: the space, a trial, the search, and its results."""

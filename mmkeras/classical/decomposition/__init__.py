"""A few numbers per row that say what its views say."""

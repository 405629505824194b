"""Guesses of what the columns of a table hold, for `infer_schema`."""

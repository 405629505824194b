"""Groups of rows that several views agree on; no labels needed."""

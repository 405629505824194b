"""Trained models for other programs: exports with the preprocessing inside, an HTTP server."""

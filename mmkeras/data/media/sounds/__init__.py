"""Sounds: bytes and files to samples, spectrograms, their augmentation."""

"""Images: bytes and files to pixels, their sizes, their augmentation."""

"""Bytes into arrays: images, sounds, videos and sequence files, and what keeps them."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "augment_images": "augment_image",
        "decode_image": "image_file",
        "encode_png": "image_file",
        "read_image": "image_file",
        "fit_image": "resize",
        "decode_sound": "sound",
        "fit_sound": "sound",
        "mix_at_snr": "sound",
        "read_sound": "sound_file",
        "sound_features": "spectrogram",
        "add_noise": "augment_sound",
        "mask_spectrograms": "augment_sound",
        "shift_sounds": "augment_sound",
        "read_frames": "video",
        "media_cells": "decoding",
        "decoded_once": "decoded",
    },
)

"""Bytes into arrays: images, sounds, videos and sequence files, and what keeps them."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "augment_images": "images.augment_image",
        "decode_image": "images.image_file",
        "encode_png": "images.image_file",
        "read_image": "images.image_file",
        "fit_image": "images.resize",
        "decode_sound": "sounds.sound",
        "fit_sound": "sounds.sound",
        "mix_at_snr": "sounds.sound",
        "read_sound": "sounds.sound_file",
        "sound_features": "sounds.spectrogram",
        "add_noise": "sounds.augment_sound",
        "mask_spectrograms": "sounds.augment_sound",
        "shift_sounds": "sounds.augment_sound",
        "stretch_sounds": "sounds.augment_sound",
        "mask_sequences": "augment_sequence",
        "stretch_sequences": "augment_sequence",
        "read_frames": "video",
        "media_cells": "decoding",
        "decoded_once": "decoded",
    },
)

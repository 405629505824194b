"""How each kind of modality becomes the model's input: what a user chooses, nothing fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def _check_choice(owner: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(f"{owner}: `{name}` must be one of {choices}. Received: {value!r}.")


@dataclass(frozen=True)
class ImageSettings:
    """How images become inputs.

    Args:
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` (keep the shape, fill) or `"crop"` (keep the shape, cut).
        background: Grey value in [0, 255] under transparency and around moved images.
        scaling: `"unit"` (to [0, 1]) or `"standardize"` (to the training images' mean 0 and
            standard deviation 1, by channel).
        flip: Augmentation, training only: mirror half of the images left and right.
        rotation: Augmentation: largest rotation, in degrees.
        crop: Augmentation: largest share of the sides cut away.
        shift: Augmentation: largest move, as a share of the sides.
    """

    size: tuple[int, int] = (64, 64)
    channels: int = 3
    resize: str = "stretch"
    background: int = 255
    scaling: str = "unit"
    flip: bool = False
    rotation: float = 0.0
    crop: float = 0.0
    shift: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"`size` is (height, width) in pixels. Received: {self.size}.")
        _check_choice("ImageSettings", "channels", self.channels, (1, 3))
        _check_choice("ImageSettings", "resize", self.resize, ("stretch", "pad", "crop"))
        _check_choice("ImageSettings", "scaling", self.scaling, ("unit", "standardize"))
        if not 0 <= self.background <= 255:
            raise ValueError(f"`background` is in [0, 255]. Received: {self.background}.")
        if self.rotation < 0:
            raise ValueError(
                "`rotation` is the largest angle to either side, in degrees, and not negative. "
                f"Received: {self.rotation}."
            )
        for name in ("crop", "shift"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")


@dataclass(frozen=True)
class TextSettings:
    """How texts become inputs.

    Args:
        representation: `"tokens"` (a sequence of word numbers) or a bag of words:
            `"counts"`, `"binary"` or `"tfidf"` (scikit-learn's smoothed TF-IDF, L2-normalised).
        vocabulary_size: The most frequent so many terms of the training texts are kept.
        max_length: A sequence's most tokens; the rest of the text is cut. Bags are never cut.
        min_count: Terms in fewer training texts are dropped.
        lowercase: Fold case.
        stop_words: `"english"`, a list of words, or `None`.
        stemmer: A Snowball language, or `None`.
        ngrams: For bags: the longest run of words that counts as a term.
        characters: For bags: the longest run of characters inside a word that counts as a term
            too (2 or more), so that words never seen resemble those that were; 0 for none.
    """

    representation: str = "tfidf"
    vocabulary_size: int = 1000
    max_length: int = 64
    min_count: int = 1
    lowercase: bool = True
    stop_words: str | tuple[str, ...] | None = None
    stemmer: str | None = None
    ngrams: int = 1
    characters: int = 0

    def __post_init__(self):
        choices = ("tokens", "counts", "binary", "tfidf")
        _check_choice("TextSettings", "representation", self.representation, choices)
        for name in ("vocabulary_size", "max_length", "min_count", "ngrams"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")
        if self.characters < 0 or self.characters == 1:
            raise ValueError(
                "`characters` is 0 (none) or at least 2: runs of 2 characters are the shortest. "
                f"Received: {self.characters}."
            )
        if self.representation == "tokens" and (self.ngrams > 1 or self.characters):
            raise ValueError("`ngrams` and `characters` are for bags, not for token sequences.")
        if isinstance(self.stop_words, list):
            object.__setattr__(self, "stop_words", tuple(self.stop_words))


@dataclass(frozen=True)
class TabularSettings:
    """How numbers and categories become inputs.

    Args:
        max_categories: A column's most frequent so many categories get an input of their own;
            the others, and those never seen in training, share one.
    """

    max_categories: int = 100


@dataclass(frozen=True)
class AudioSettings:
    """How sounds become inputs.

    Every sound is mixed to one channel, brought to `rate` and to `seconds`: a shorter one is
    followed by silence, of a longer one the middle is kept.

    Args:
        rate: Samples a second (Hz).
        seconds: The length of every input, in seconds.
        features: `"waveform"`, `"spectrogram"` (the power of the short-time Fourier transform, in
            decibels), `"log_mel"` (the same in mel bands) or `"mfcc"` (the cosine transform of
            the log-mel energies).
        window: The Fourier transform's Hann window, in seconds.
        hop: From one window to the next, in seconds.
        fft_length: Points of the transform; the window is padded with zeros. 0 is the next power
            of two.
        mel_bands: Bands of `"log_mel"`, and those that `"mfcc"` is made of.
        low_hz: The lowest band's lower edge.
        high_hz: The highest band's upper edge; 0 is half of `rate`.
        coefficients: How many coefficients `"mfcc"` keeps.
        deltas: 1 appends the features' slopes over time, 2 also the slopes' slopes.
        scaling: `"standardize"` (to the training sounds' mean 0 and standard deviation 1, by
            band) or `"none"`.
        shift: Augmentation, training only: largest move in time, in seconds.
        noise_snr: Augmentation: white noise with a signal-to-noise ratio drawn between this and
            30 dB above it, in decibels; `None` for none.
        time_masks: Augmentation: how many stretches of time are hidden (SpecAugment).
        time_mask: Longest such stretch, as a share of all frames.
        band_masks: Augmentation: how many runs of bands are hidden.
        band_mask: Widest such run, as a share of all bands.
    """

    rate: int = 16000
    seconds: float = 1.0
    features: str = "log_mel"
    window: float = 0.025
    hop: float = 0.010
    fft_length: int = 0
    mel_bands: int = 64
    low_hz: float = 0.0
    high_hz: float = 0.0
    coefficients: int = 20
    deltas: int = 0
    scaling: str = "standardize"
    shift: float = 0.0
    noise_snr: float | None = None
    time_masks: int = 0
    time_mask: float = 0.2
    band_masks: int = 0
    band_mask: float = 0.2

    def __post_init__(self):
        choices = ("waveform", "spectrogram", "log_mel", "mfcc")
        _check_choice("AudioSettings", "features", self.features, choices)
        _check_choice("AudioSettings", "scaling", self.scaling, ("standardize", "none"))
        _check_choice("AudioSettings", "deltas", self.deltas, (0, 1, 2))
        for name in ("rate", "seconds", "window", "hop", "mel_bands", "coefficients"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {getattr(self, name)}.")
        for name in ("low_hz", "high_hz", "shift", "time_masks", "band_masks", "fft_length"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {getattr(self, name)}.")
        for name in ("time_mask", "band_mask"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is a share in [0, 1). Received: {getattr(self, name)}.")
        if self.hop_samples < 1 or self.samples < self.hop_samples:
            raise ValueError(
                f"`hop` must be at least a sample and at most `seconds`. Received: hop={self.hop} "
                f"and seconds={self.seconds} at {self.rate} Hz."
            )
        if self.window_samples < 2:
            raise ValueError(
                f"`window` must have at least two samples. Received: {self.window} s at "
                f"{self.rate} Hz."
            )
        if self.fft_length and self.fft_length < self.window_samples:
            raise ValueError(
                f"`fft_length` must be at least the window's {self.window_samples} samples. "
                f"Received: {self.fft_length}."
            )
        if not self.low_hz < (self.high_hz or self.rate / 2) <= self.rate / 2:
            raise ValueError(
                f"Bands lie between 0 and half of `rate`, {self.rate / 2:g} Hz. Received: "
                f"low_hz={self.low_hz} and high_hz={self.high_hz}."
            )
        if self.features == "mfcc" and self.coefficients > self.mel_bands:
            raise ValueError(
                f"There are at most as many `coefficients` as `mel_bands`. Received: "
                f"{self.coefficients} and {self.mel_bands}."
            )
        if self.features == "waveform" and (self.deltas or self.time_masks or self.band_masks):
            raise ValueError("`deltas` and masks are for spectrograms, not for waveforms.")

    @property
    def samples(self) -> int:
        """Samples of every sound."""
        return round(self.rate * self.seconds)

    @property
    def hop_samples(self) -> int:
        return round(self.rate * self.hop)

    @property
    def window_samples(self) -> int:
        return round(self.rate * self.window)

    @property
    def frames(self) -> int:
        """Windows of every sound; the first and the last are centred on its ends."""
        return 1 + self.samples // self.hop_samples

    @property
    def fft_points(self) -> int:
        return self.fft_length or 2 ** max(0, self.window_samples - 1).bit_length()

    @property
    def shape(self) -> tuple[int, int]:
        """Of every input: `(samples, 1)` for waveforms, else `(frames, bands)`."""
        if self.features == "waveform":
            return (self.samples, 1)
        bands = {
            "spectrogram": 1 + self.fft_points // 2,
            "log_mel": self.mel_bands,
            "mfcc": self.coefficients,
        }[self.features]
        return (self.frames, bands * (1 + self.deltas))


@dataclass(frozen=True)
class VideoSettings:
    """How videos become inputs: a fixed number of frames, each an image.

    Frames are taken as they are stored; a rotation that a phone wrote beside them is not applied.

    Args:
        frames: How many frames.
        rate: Frames a second, from the start; a clip that ends earlier holds its last frame. 0
            spreads the frames evenly over the whole clip.
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` or `"crop"`, as for images.
        flip: Augmentation, training only: mirror half of the clips left and right.
        rotation: Augmentation: largest rotation, in degrees. All frames of a clip move alike.
        crop: Augmentation: largest share of the sides cut away.
        shift: Augmentation: largest move, as a share of the sides.
    """

    frames: int = 8
    rate: float = 0.0
    size: tuple[int, int] = (64, 64)
    channels: int = 3
    resize: str = "stretch"
    flip: bool = False
    rotation: float = 0.0
    crop: float = 0.0
    shift: float = 0.0

    def __post_init__(self):
        if self.frames < 1:
            raise ValueError(f"`frames` must be at least 1. Received: {self.frames}.")
        if self.rate < 0:
            raise ValueError(f"`rate` must not be negative. Received: {self.rate}.")
        # The same rules as for images, with the same words.
        object.__setattr__(self, "size", self.image.size)

    @property
    def image(self) -> ImageSettings:
        """The settings of a frame."""
        return ImageSettings(
            size=self.size,
            channels=self.channels,
            resize=self.resize,
            background=0,
            flip=self.flip,
            rotation=self.rotation,
            crop=self.crop,
            shift=self.shift,
        )


@dataclass(frozen=True)
class SequenceSettings:
    """How feature sequences become inputs.

    Args:
        max_length: A sequence's most steps; the rest is cut.
        scaling: `"standardize"` (to the training steps' mean 0 and standard deviation 1, by
            feature) or `"none"`.
        noise: Augmentation, training only: standard deviation of the Gaussian noise added to each
            feature, after scaling. Keeps a model from trusting features that fit the training
            rows better than any others.
    """

    max_length: int = 512
    scaling: str = "standardize"
    noise: float = 0.0

    def __post_init__(self):
        if self.max_length < 1:
            raise ValueError(f"`max_length` must be at least 1. Received: {self.max_length}.")
        if self.noise < 0:
            raise ValueError(f"`noise` must not be negative. Received: {self.noise}.")
        _check_choice("SequenceSettings", "scaling", self.scaling, ("standardize", "none"))


SETTINGS = {
    "image": ImageSettings,
    "text": TextSettings,
    "audio": AudioSettings,
    "video": VideoSettings,
    "sequence": SequenceSettings,
    "tabular": TabularSettings,
}

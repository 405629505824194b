"""Pictures and sounds as the bytes of a file, and as addresses that hold the file itself."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_DPI = 110


def figure_png(figure: Figure) -> bytes:
    """A figure as an optimised PNG file, at `FIGURE_DPI` dots per inch."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=FIGURE_DPI)
    return _optimised_png(Image.open(drawn).convert("RGB"))


def pixels_png(pixels: np.ndarray) -> bytes:
    """Pixels as an optimised PNG file.

    Args:
        pixels: uint8, `(height, width, 1 | 3)`.
    """
    return _optimised_png(Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels))


def wav(samples: np.ndarray, rate: int) -> bytes:
    """A sound as a WAV file of one channel.

    Args:
        samples: int16, `(samples,)`.
        rate: Samples per second.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def data_uri(kind: str, contents: bytes) -> str:
    """The address of a file that is inside the address itself.

    Args:
        kind: The media type.
        contents: The file's bytes.

    Example:

    >>> data_uri("text/plain", b"hello")
    'data:text/plain;base64,aGVsbG8='

    References:
        Masinter, "The data URL scheme", 1998, https://www.rfc-editor.org/rfc/rfc2397.
    """
    return f"data:{kind};base64,{base64.b64encode(contents).decode('ascii')}"


def _optimised_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()

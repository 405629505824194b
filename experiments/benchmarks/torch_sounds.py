"""Sound files to log-mel spectrograms for `torch.utils.data.DataLoader`, as fast as we know how.

`soundfile` decodes; `torch.stft`, a matrix of mel filters and the logarithm follow, as in
`torchaudio.transforms.MelSpectrogram` and `AmplitudeToDB`, one call for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile
import torch
from torch.utils.data import Dataset

FULL_SCALE = 32768


def decode(path: str, rate: int, samples: int) -> np.ndarray:
    """int16 `(samples,)`: followed by silence, or the middle of a longer sound."""
    sound, found = soundfile.read(path, dtype="int16")
    if found != rate or sound.ndim != 1:
        raise ValueError(
            f"{path} has {found} samples per second and the shape {sound.shape}. Expected {rate} "
            "and one channel."
        )
    if len(sound) > samples:
        first = (len(sound) - samples) // 2
        return sound[first : first + samples]
    fitted = np.zeros(samples, np.int16)
    fitted[: len(sound)] = sound
    return fitted


class SoundRows(Dataset):
    """Log-mel spectrograms and labels, each batch's sounds decoded, or taken from memory.

    Args:
        paths: Sound files of one channel.
        targets: One-hot labels, `(rows, classes)`.
        rate: Their samples per second.
        samples: Samples that each is brought to.
        window: Samples of the Hann window.
        hop: Samples from one window to the next.
        points: Points of the Fourier transform.
        filters: Mel filters, `(1 + points // 2, bands)`.
        mean: Of each band, to be subtracted.
        deviation: Of each band, to be divided by.
        keep: Decode all sounds now and keep them in memory.
        threads: Threads that decode them.
    """

    def __init__(
        self,
        paths: Sequence[str],
        targets: np.ndarray,
        *,
        rate: int,
        samples: int,
        window: int,
        hop: int,
        points: int,
        filters: np.ndarray,
        mean: Sequence[float],
        deviation: Sequence[float],
        keep: bool,
        threads: int,
    ):
        self._paths, self._rate, self._samples = list(paths), rate, samples
        self._targets = torch.from_numpy(targets)
        self._window = torch.hann_window(window)
        self._hop, self._points = hop, points
        self._filters = torch.from_numpy(filters.T.copy())
        self._mean = torch.tensor(mean, dtype=torch.float32)[:, None]
        self._deviation = torch.tensor(deviation, dtype=torch.float32)[:, None]
        self._kept = None
        if keep:
            with ThreadPoolExecutor(threads) as pool:
                sounds = list(pool.map(lambda path: decode(path, rate, samples), self._paths))
            self._kept = torch.from_numpy(np.stack(sounds))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int):
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]):
        if self._kept is None:
            sounds = [decode(self._paths[row], self._rate, self._samples) for row in rows]
            sounds = torch.from_numpy(np.stack(sounds))
        else:
            sounds = self._kept[rows]
        return {"audio": self._log_mel(sounds.float() / FULL_SCALE)}, self._targets[rows]

    def _log_mel(self, sounds: torch.Tensor) -> torch.Tensor:
        """`(rows, samples)` to `(rows, bands, frames)`, in decibels, at most 80 below the peak."""
        spectrum = torch.stft(
            sounds,
            self._points,
            self._hop,
            win_length=len(self._window),
            window=self._window,
            pad_mode="constant",
            return_complex=True,
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        decibels = 10 * torch.log10(torch.matmul(self._filters, power).clamp_(min=1e-10))
        loudest = decibels.amax((1, 2), keepdim=True)
        return torch.maximum(decibels, loudest - 80).sub_(self._mean).div_(self._deviation)

"""The work of `mmkeras.Pipeline` written for `torch.utils.data.DataLoader`, as fast as we know how.

A batch is fetched at once (`__getitems__`), so that turning and moving the images is one call a
batch instead of one per image; a worker hands over finished batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

WHITE = 255


def decode(path: str, size: int) -> np.ndarray:
    """uint8 `(size, size, 3)`. Pillow's bilinear filter is anti-aliased when it makes smaller."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


class ImageTextRows(Dataset):
    """Images, padded token ids and labels; each batch decoded, or taken from memory, and augmented.

    Args:
        paths: Image files.
        ids: Token ids of each row.
        targets: One-hot labels, `(rows, classes)`.
        size: Side of the images, in pixels.
        rotation: Largest angle, in degrees.
        shift: Largest move, as a share of the side.
        keep: Decode all images now and keep them in memory.
        threads: Threads that decode them.
    """

    def __init__(
        self,
        paths: Sequence[str],
        ids: Sequence[Sequence[int]],
        targets: np.ndarray,
        *,
        size: int,
        rotation: float,
        shift: float,
        keep: bool,
        threads: int,
    ):
        self._paths, self._size = list(paths), size
        self._rotation, self._shift = np.deg2rad(rotation), shift
        self._ids = [torch.tensor(row, dtype=torch.int64) for row in ids]
        self._targets = torch.from_numpy(targets)
        self._kept = None
        if keep:
            with ThreadPoolExecutor(threads) as pool:
                images = list(pool.map(lambda path: decode(path, size), self._paths))
            self._kept = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int):
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]):
        if self._kept is None:
            images = np.stack([decode(self._paths[row], self._size) for row in rows])
            images = torch.from_numpy(images).permute(0, 3, 1, 2)
        else:
            images = self._kept[rows]
        ids = pad_sequence([self._ids[row] for row in rows], batch_first=True)
        return {"image": self._augment(images), "text": ids}, self._targets[rows]

    def _augment(self, images: torch.Tensor) -> torch.Tensor:
        """Flip, rotation and shift in one affine map: floats in [0, 1], channels first."""
        draws = torch.rand(4, len(images))
        mirror = torch.where(draws[0] < 0.5, -1.0, 1.0)
        angle = (2 * draws[1] - 1) * self._rotation
        # `affine_grid` counts from -1 to 1, so a share of the side is twice as much.
        move_x, move_y = 2 * self._shift * (2 * draws[2:] - 1)
        across = torch.stack([mirror * angle.cos(), -mirror * angle.sin(), mirror * move_x], dim=1)
        down = torch.stack([angle.sin(), angle.cos(), move_y], dim=1)
        grid = functional.affine_grid(
            torch.stack([across, down], dim=1), list(images.shape), align_corners=False
        )
        # `grid_sample` fills with zeros, so let zero be white.
        moved = functional.grid_sample(images.float() - WHITE, grid, align_corners=False)
        return moved.add_(WHITE).div_(255)


def _as_it_is(batch):
    return batch


def make_loader(rows: ImageTextRows, *, batch_size: int, workers: int, seed: int) -> DataLoader:
    """A loader whose workers, if any, stay alive from epoch to epoch."""
    return DataLoader(
        rows,
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        collate_fn=_as_it_is,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
    )

"""A picture for each row: from words, sounds or features to an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.cells import empty_cells
from mmkeras.schema import Image
from mmkeras.tasks.arrays import ArrayTask, check_cells


@dataclass(frozen=True)
class ImageTargetSettings:
    """How pictures are answers.

    Args:
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (colour).
        resize: `"stretch"`, `"pad"` (keep the shape, fill) or `"crop"` (keep the shape, cut).
        background: Grey value in [0, 255] under transparency.
    """

    size: tuple[int, int] = (32, 32)
    channels: int = 3
    resize: str = "stretch"
    background: int = 255

    def __post_init__(self):
        object.__setattr__(self, "size", self.as_input().size)

    def as_input(self) -> Any:
        """The settings by which such a picture would be an input, which are checked."""
        return KINDS["image"].settings(**vars(self))


@dataclass(frozen=True)
class ImageTask(ArrayTask):
    """Pictures in `[0, 1]`, float32 `(rows, height, width, channels)`.

    Args:
        target: The schema's target.
        chosen: How pictures are answers.
        deviation: The root of the training pictures' mean squared distance from their mean.
    """

    kind = "image"
    words = "making a picture"
    cells = "image"
    decoders = ("image",)
    settings = ImageTargetSettings
    headline = ("r2", "ssim", "mae", "recall@1", "recall@10")

    target: Image
    chosen: ImageTargetSettings
    deviation: float = 1.0

    @classmethod
    def fit(cls, frame, target, settings=None):
        task = cls(target, settings or cls.settings())
        pictures = task.encode(frame)
        deviation = float(np.sqrt(np.square(pictures - pictures.mean(axis=0)).mean()))
        return cls(target, task.chosen, deviation or 1.0)

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        return cls(target, cls.settings_of(state["settings"]), state["deviation"])

    def to_dict(self):
        return {"settings": asdict(self.chosen), "deviation": self.deviation}

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.chosen.size, self.chosen.channels)

    @property
    def num_outputs(self):
        return int(np.prod(self.shape))

    def decoder_options(self, name):
        return {"shape": self.shape}

    def encode(self, frame, id=None):
        column, settings = frame[self.target.column], self.chosen.as_input()
        store: Any = KINDS["image"].open_store(column, settings, cache="memory")
        check_cells(frame, self.target.column, store, id)
        return store.values.astype(np.float32) / 255

    def decode(self, outputs):
        """Pictures, uint8 `(examples, height, width, channels)`."""
        return (255 * np.clip(outputs, 0, 1)).round().astype(np.uint8)

    def true(self, examples):
        """As `decode`; a picture of the background where the cell is empty."""
        true = np.full((len(examples), *self.shape), self.chosen.background, np.uint8)
        known = ~empty_cells(examples[self.target.column])
        if known.any():
            true[known] = self.decode(self.encode(examples[known]))
        return true

    def _compared(self, targets, outputs):
        return targets.astype(np.float64), outputs.astype(np.float64)

    def _vectors(self, targets, outputs):
        return targets.reshape(len(targets), -1), outputs.reshape(len(outputs), -1)

    def row_errors(self, targets, outputs):
        true, said = self._compared(targets, outputs)
        return np.sqrt(np.square(true - said).mean(axis=(1, 2, 3))) / self.deviation

    def figures(self, targets, outputs):
        """Those of all arrays, and SSIM."""
        from mmkeras.tasks.array_figures import structural_similarity

        figures = super().figures(targets, outputs)
        return {**figures, "ssim": float(structural_similarity(targets, outputs).mean())}

    @property
    def figure_names(self):
        return (*super().figure_names, "ssim")

    def texts(self, arrays):
        return [f"a picture of mean brightness {picture.mean():.2f}" for picture in arrays]

    def saved(self, examples, outputs, folder):
        """PNG files, numbered in the order of the examples."""
        import PIL.Image

        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{place:06d}.png" for place in range(len(outputs))]
        for name, picture in zip(names, self.decode(outputs), strict=True):
            grey = picture[..., 0] if picture.shape[-1] == 1 else picture
            PIL.Image.fromarray(grey).save(folder / name)
        return names

    def pictures(self, targets, outputs):
        from mmkeras.tasks.array_pictures import plot_converted

        order, _ = self.right_and_wrong(targets, outputs)
        return {
            "converted": (
                plot_converted(self.decode(targets), self.decode(outputs), order),
                "True pictures, and below each what the model made, from the smallest error to "
                "the largest. Answers that all look alike are the mean, not a conversion.",
            )
        }

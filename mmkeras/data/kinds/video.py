"""What stands between videos and the model: their settings; nothing is fitted."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mmkeras.data.kinds.settings import VideoSettings
from mmkeras.schema import InputSpec, Video


@dataclass(frozen=True)
class VideoPreprocessor:
    """State of a video modality."""

    settings: VideoSettings

    @property
    def spec(self) -> InputSpec:
        settings = self.settings
        return InputSpec((settings.frames, *settings.size, settings.channels))

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, modality: Video, settings: VideoSettings
    ) -> VideoPreprocessor:
        return cls(settings)

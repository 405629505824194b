"""What is chosen for one modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Choice:
    """What is chosen for one modality.

    Args:
        reason: What its training cells look like -> what follows, in words.
        settings: Of its kind, those that differ from the kind's own defaults.
        encoder: A name of `ENCODERS` of its kind; `None` for the kind's default.
        options: Arguments of the encoder's constructor.
        flat: Whether its tokens may be laid side by side: each has its place, and they are few.
    """

    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoder: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    flat: bool = True

    def as_own(self) -> dict[str, Any]:
        """As `Settings.modalities` holds it."""
        own = dict(self.settings)
        if self.encoder is not None:
            own["encoder"] = self.encoder
        if self.options:
            own["encoder_options"] = dict(self.options)
        return own

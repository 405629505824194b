"""How much a server takes, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """How much a server takes, and how long it waits.

    Args:
        body_bytes: The largest body of a request; media are a third larger in JSON than as files.
        rows: The most rows of a request.
        pixels: The most pixels of an image, before it is scaled.
        waiting_rows: With more rows waiting, further requests are told to come again (503).
        batch_rows: The most rows that the model answers at once.
        wait: How long a row waits for others to come, in seconds.
        body_seconds: How long a body may take to arrive.
    """

    body_bytes: int = 32 * 2**20
    rows: int = 256
    pixels: int = 25_000_000
    waiting_rows: int = 4096
    batch_rows: int = 128
    wait: float = 0.004
    body_seconds: float = 30.0

    def __post_init__(self):
        for field in fields(self):
            if not getattr(self, field.name) > 0 and field.name != "wait":
                raise ValueError(
                    f"`{field.name}` must be above 0. Received: {getattr(self, field.name)}."
                )
        if self.wait < 0:
            raise ValueError(f"`wait` must not be negative. Received: {self.wait}.")

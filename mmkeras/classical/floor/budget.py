"""Whether an experiment also trains the classical floor, and why not."""

from __future__ import annotations

from typing import Literal

from mmkeras.schema import Schema
from mmkeras.tasks import task_class

FloorChoice = Literal["auto", "on", "off"]

# With "auto", a floor that takes longer is left out; a guess, on one core.
AUTO_SECONDS = 60.0
# About how long a thousand training rows take: mostly models of wide features.
_SECONDS = {"image": 15.0, "video": 30.0, "audio": 8.0, "text": 4.0}
_SECONDS_OF_OTHERS = 3.0


def wants_floor(choice: FloorChoice, schema: Schema, rows: int) -> bool:
    """Whether to train the floor; says why not, where that is not obvious.

    Args:
        choice: `"auto"` is on where it takes less than a minute.
        schema: Which columns.
        rows: How many training rows.

    Raises:
        ValueError: It is asked for, and there is none for this target; an unknown choice.
    """
    if choice not in ("auto", "on", "off"):
        raise ValueError(f"`floor` is 'auto', 'on' or 'off'. Received: {choice!r}.")
    if choice == "off":
        return False
    if not task_class(schema.target).suits_classical:
        if choice == "on":
            raise ValueError(
                "Classical models answer with one class, labels or numbers for each row. "
                "Leave the floor off."
            )
        return False
    by_kind = (_SECONDS.get(modality.kind, _SECONDS_OF_OTHERS) for modality in schema.modalities)
    seconds = sum(by_kind) * rows / 1000
    if choice == "auto" and seconds > AUTO_SECONDS:
        if AUTO_SECONDS:
            print(f"no classical floor: it may take {seconds:.0f} s (--floor on trains it)")
        return False
    return True

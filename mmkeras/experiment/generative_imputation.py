"""Missing cells of a modality, filled by a generative model of all modalities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.experiment.generative import GenerativeRun, cells_of, generated
from mmkeras.experiment.imputation import Imputer
from mmkeras.experiment.run_folder import Run
from mmkeras.schema import Modality, Schema


class GenerativeImputer(Imputer):
    """Fills a modality where it is missing, of whatever others a row has.

    Where the latent of several modalities is one normal distribution its middle is decoded, else a
    draw.

    Args:
        run: A generative run.
        modality: One of its modalities.

    Raises:
        ValueError: It is none of them.
    """

    run: GenerativeRun
    needs_all = False

    def __init__(self, run: GenerativeRun, modality: Modality):
        schema = run.preprocessing.schema
        if modality.name not in schema.names or len(schema.names) < 2:
            raise ValueError(
                f"{run} generates {list(schema.names)}. Received: {modality.name!r}, to be made of "
                "others."
            )
        self.run, self.modality = run, modality

    @property
    def sources(self) -> tuple[Modality, ...]:
        modalities = self.run.preprocessing.schema.modalities
        return tuple(each for each in modalities if each.name != self.modality.name)

    def _make(self, rows: pd.DataFrame) -> pd.DataFrame:
        vae, wanted = self.run.vae, self.modality.name
        names = [modality.name for modality in self.sources]
        pipeline = self.run.pipeline(rows, names, batch_size=256)
        made = generated(vae, pipeline, names, [wanted], mean=vae.has_middle)
        values = np.concatenate([arrays[wanted] for arrays in made])
        return cells_of(self.modality, values, self.run.preprocessing.modalities[wanted])


def imputers_of(folder: str | Path, schema: Schema) -> list[Imputer]:
    """What fills modalities of a schema by the run in a folder: a conversion, or a generation.

    Args:
        folder: Of a conversion, which makes one modality, or of a generative run, which makes each
            of its own of the others.
        schema: The modalities that can be filled.

    Raises:
        ValueError: It makes none of them.
    """
    generative = Run.is_generative(folder)
    run: Run = GenerativeRun(folder) if generative else Run(folder)
    own = run.preprocessing.schema
    made = own.names if generative else (own.target.name,) if own.target else ()
    shared = [modality for modality in schema.modalities if modality.name in made]
    if not shared:
        raise ValueError(
            f"{folder} makes {list(made)} of {list(own.names)}, and the rows have "
            f"{list(schema.names)}. Give a run that makes one of these modalities of others."
        )
    if isinstance(run, GenerativeRun):
        return [GenerativeImputer(run, modality) for modality in shared]
    return [Imputer(run, modality) for modality in shared]

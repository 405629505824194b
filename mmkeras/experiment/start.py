"""The finished run whose weights another run begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras.data.preprocessing import Preprocessing
from mmkeras.experiment.run_folder import MODEL, Run
from mmkeras.files import sha256_of
from mmkeras.models.saved import load_weights
from mmkeras.nested import differences
from mmkeras.training.seeds import same_draws

STARTED_FROM, STARTING_WEIGHTS = "started_from", "starting_weights"  # in `config.json`


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run's weights come from; from nowhere, by default.

    Args:
        run: A finished run of the same rows, inputs and architecture.
    """

    run: Run | None = None

    @classmethod
    def of(cls, path: str | Path | None) -> Start:
        """That of a run's folder.

        Raises:
            FileNotFoundError: It is no finished run.
        """
        return cls() if path is None else cls(Run(path))

    @property
    def identity(self) -> dict[str, Any]:
        """What of it decides the result, for `config.json`."""
        if self.run is None:
            return {STARTING_WEIGHTS: {}}
        digest = sha256_of(self.run.path / MODEL)
        known = {name: self.run.metrics[name] for name in ("epochs", "best_epoch")}
        return {STARTING_WEIGHTS: {"sha256": digest, **known}}

    @property
    def about(self) -> dict[str, Any]:
        """What `config.json` says of it; nothing of a run that begins with weights of its own."""
        if self.run is None:
            return {}
        return {STARTED_FROM: str(self.run.path.resolve()), **self.identity}

    def check(self, preprocessing: Preprocessing) -> None:
        """Refuses weights that were trained for other inputs or answers.

        Raises:
            ValueError: What was fitted on the training rows differs.
        """
        if self.run is None:
            return
        before, now = self.run.preprocessing.to_dict(), preprocessing.to_dict()
        # What was fitted after the training, as thresholds are, is not of the weights.
        before["target"] = {key: before["target"].get(key) for key in now["target"]}
        if shown := differences(before, now):
            raise ValueError(
                f"{self.run.path} was trained for other inputs or answers, so that its weights "
                f"mean nothing here: {shown[:300]}. Give the same rows and settings."
            )

    def give(self, model: keras.Model) -> None:
        """Puts the run's weights into a model of the same architecture.

        Of a run that was trained again on the validation rows (`TrainingSettings.refit`), those
        from before: what has learnt these rows could not be judged by them any more.

        Raises:
            ValueError: It is of another architecture.
        """
        if self.run is None:
            return
        load_weights(model, self.run.path)
        if self.run.was_refitted:
            with same_draws():
                before = self.run.model_of_epoch(self.run.metrics["best_epoch"])
            model.set_weights(before.get_weights())


NO_START = Start()

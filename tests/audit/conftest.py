"""A small trained run that the tests of the audit share."""

import pytest

from mmkeras.data.tables.splits import Splits
from mmkeras.experiment.train import train_run
from mmkeras.schema import Schema
from tests.audit.small import SETTINGS, WITH_HOLES, with_hum


@pytest.fixture(scope="session")
def four_modalities(shared_table, tmp_path_factory):
    """A run of picture, note, facts and hum, its splits and its schema."""
    frame, schema = with_hum(*shared_table)
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    folder = tmp_path_factory.mktemp("audited") / "four"
    return train_run(splits, schema, folder, SETTINGS), splits, schema


@pytest.fixture(scope="session")
def two_modalities(shared_table, tmp_path_factory):
    """Runs of picture and note, told what is missing, and of either alone; and their splits."""
    frame, schema = shared_table
    schema = Schema(schema.modalities[:2], schema.target)
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    folder = tmp_path_factory.mktemp("audited")
    runs = {
        "+".join(names): train_run(
            splits, schema.select(names), folder / "-".join(names), WITH_HOLES
        )
        for names in (("picture",), ("note",), ("picture", "note"))
    }
    return runs, splits

import numpy as np
import pandas as pd
import pytest

from mmkeras.data.kinds import SequenceSettings
from mmkeras.data.media.sequences import SequenceStore
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.preprocessing import Preprocessing, fit_preprocessing
from mmkeras.data.tables.read import TableError, read_table
from mmkeras.schema import Schema, Sequence

SCHEMA = Schema([Sequence("speech")], "label")
PLAIN = {"speech": SequenceSettings(scaling="none")}


def store_of(*cells):
    return SequenceStore(pd.Series(list(cells), dtype=object))


def table_of(*cells):
    labels = ["a", "b"] * len(cells)
    frame = pd.DataFrame({"label": labels[: len(cells)]})
    frame["speech"] = pd.Series(list(cells), dtype=object)
    return read_table(frame, SCHEMA)


def inputs_of(frame, fitted, **options):
    return [inputs["speech"].numpy() for inputs, _ in Pipeline(frame, fitted, **options).evaluate()]


def steps(count, features=2, start=0.0):
    return start + np.arange(count * features, dtype=np.float32).reshape(count, features)


def test_files_and_arrays_of_one_sequence_are_the_same(tmp_path):
    values = steps(3)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "wide.npy", values.astype(np.float64))
    np.save(tmp_path / "columns.npy", np.asfortranarray(values))
    np.savez(tmp_path / "a.npz", values)
    np.savez_compressed(tmp_path / "small.npz", speech=values.astype(np.int64))
    names = ["a.npy", "wide.npy", "columns.npy", "a.npz", "small.npz"]
    store = store_of(*(str(tmp_path / name) for name in names), values)
    assert store.readable.all() and store.features == 2
    for value in store.values:
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, values)


def test_lists_are_read_and_a_flat_one_is_one_step():
    frame = table_of([[1, 2], [3, 4]], [5.0, 6.0], np.array([7, 8], np.int32), ((9, 10),))
    store = SequenceStore(frame["speech"])
    shapes = [value.shape for value in store.values]
    assert shapes == [(2, 2), (1, 2), (1, 2), (1, 2)]
    np.testing.assert_array_equal(np.concatenate(store.values).ravel(), np.arange(1, 11))


def test_a_matrix_survives_parquet(tmp_path):
    cells = [steps(3).tolist(), steps(1, start=9).tolist(), None]
    frame = pd.DataFrame({"speech": cells, "label": list("aba"), "note": list("xyz")})
    frame.to_parquet(tmp_path / "table.parquet")
    schema = Schema([Sequence("speech"), Sequence("other", column="speech")], "label")
    with pytest.raises(TableError, match="row 3: all inputs are empty"):
        read_table(tmp_path / "table.parquet", schema)
    frame[:2].to_parquet(tmp_path / "table.parquet")
    table = read_table(tmp_path / "table.parquet", schema)
    np.testing.assert_array_equal(table["speech"][0], steps(3))
    np.testing.assert_array_equal(table["speech"][1], steps(1, start=9))


def test_with_common_scaling_features_that_vary_little_stay_small():
    values = np.random.default_rng(0).normal([5, 1, 2], [30, 3, 0], (40, 1, 3))
    settings = {"speech": SequenceSettings(scaling="common")}
    frame = table_of(*values)
    (padded,) = inputs_of(frame, fit_preprocessing(frame, SCHEMA, settings), batch_size=40)
    scaled = padded[:, 0]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert np.square(scaled).mean() == pytest.approx(1, rel=1e-4)
    spread = scaled.std(axis=0)
    assert spread[1] / spread[0] == pytest.approx(0.1, rel=0.3) and spread[2] < 1e-5
    same = table_of(*np.ones((4, 1, 3)))
    assert np.isfinite(inputs_of(same, fit_preprocessing(same, SCHEMA, settings))[0]).all()


def test_cells_without_steps_are_holes():
    store = store_of(None, np.zeros((0, 3)), "", float("nan"), np.ones((2, 3)))
    assert store.readable.all() and store.features == 3
    assert [len(value) for value in store.values] == [0, 0, 0, 0, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_named_by_their_step(bad, tmp_path):
    values = steps(5)
    values[3, 1] = bad
    with pytest.raises(TableError, match=r"row 2, column 'speech': step 4 has NaN or infinite"):
        table_of(steps(2), values)
    np.save(tmp_path / "bad.npy", values)
    store = store_of(str(tmp_path / "bad.npy"))
    assert "bad.npy" in store.reason(0) and "step 4 has NaN or infinite" in store.reason(0)


def test_numbers_too_large_for_float32_are_refused():
    assert "float32" in store_of(np.full((2, 2), 1e300)).reason(0)


def unreadable_files(folder):
    """Files that hold no sequence, and what is said of them."""
    np.savez(folder / "two.npz", a=steps(1), b=steps(2))
    yield "two.npz", r"holds 2 arrays \(\['a', 'b'\]\), not one"
    np.savez(folder / "none.npz")
    yield "none.npz", "holds 0 arrays"
    np.save(folder / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    yield "pickle.npy", "Python objects"
    np.savez(folder / "pickle.npz", np.array([{"a": 1}], dtype=object))
    yield "pickle.npz", "Python objects"
    np.save(folder / "complex.npy", np.zeros((2, 2), complex))
    yield "complex.npy", r"shape \(2, 2\) and type complex"
    np.save(folder / "words.npy", np.array(["a", "b"]))
    yield "words.npy", "type <U1"
    np.save(folder / "scalar.npy", np.array(3.0))
    yield "scalar.npy", r"shape \(\)"
    np.save(folder / "nothing.npy", np.zeros((0, 4)))
    yield "nothing.npy", "no steps"
    (folder / "zero.npy").write_bytes(b"")
    yield "zero.npy", "zero bytes"
    (folder / "text.npy").write_text("a text")
    yield "text.npy", "no .npy or .npz file: it starts with b'a text'"
    np.save(folder / "whole.npy", steps(50))
    whole = (folder / "whole.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:200])
    yield "cut.npy", "cut off: it claims 400 bytes of numbers and has 72"
    (folder / "header.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((((")
    yield "header.npy", "."
    np.savez_compressed(folder / "whole.npz", np.random.default_rng(0).random((50, 5)))
    archive = bytearray((folder / "whole.npz").read_bytes())
    archive[60] ^= 255
    (folder / "damaged.npz").write_bytes(archive)
    yield "damaged.npz", "decompress|CRC"
    yield "missing.npy", "file not found"


def test_files_that_hold_no_sequence_say_why(tmp_path):
    reasons = dict(unreadable_files(tmp_path))
    store = store_of(*(str(tmp_path / name) for name in reasons), steps(2))
    for row, (name, reason) in enumerate(reasons.items()):
        assert not store.readable[row], name
        with pytest.raises(ValueError, match=f"not a feature sequence.*{name}.*{reason}"):
            raise ValueError(store.reason(row))
    assert store.readable[-1] and store.features == 2


def test_a_claim_of_more_numbers_than_memory_holds_is_refused(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000, 9999), }\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (tmp_path / "huge.npy").write_bytes(start + header + bytes(40))
    assert "claims 99990000000000 numbers; at most" in store_of(str(tmp_path / "huge.npy")).reason(
        0
    )


def test_steps_of_other_widths_are_refused():
    store = store_of(steps(2, 3), steps(2, 4))
    assert store.reason(1) == "not a feature sequence: a step has 4 features; other rows 3"
    frame = table_of(steps(2, 3), steps(2, 3))
    fitted = fit_preprocessing(frame, SCHEMA, PLAIN)
    with pytest.raises(ValueError, match=r"index 1, column 'speech'.*4 features; other rows 3"):
        Pipeline(table_of(steps(2, 3), steps(2, 4)), fitted)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("talk.csv", r"a \.npy or \.npz file: talk\.csv"),
        ("gone.npy", r"file not found: .*gone\.npy"),
        (b"\x93NUMPY", "is not a feature sequence"),
        ([[1, 2], [3]], "is not a feature sequence"),
        (["a", "b"], "is not a feature sequence"),
        (np.zeros((2, 2), complex), r"shape \(2, 2\) and type complex"),
        (7, "7 is not a feature sequence"),
    ],
)
def test_cells_that_are_no_sequence_are_refused_with_their_row(cell, problem):
    with pytest.raises(TableError, match=f"row 2, column 'speech': .*{problem}"):
        table_of(steps(2), cell)


def test_batches_are_padded_with_zeros_to_a_multiple_of_four():
    cells = [steps(count, start=1.0) for count in (3, 1, 5, 2)]
    frame = table_of(*cells)
    fitted = fit_preprocessing(frame, SCHEMA, PLAIN)
    assert fitted.inputs["speech"].shape == (None, 2)
    first, second = inputs_of(frame, fitted, batch_size=2)
    assert first.shape == (2, 4, 2) and second.shape == (2, 8, 2)
    for padded, cell in zip([*first, *second], cells, strict=True):
        np.testing.assert_array_equal(padded[: len(cell)], cell)
        assert (padded[len(cell) :] == 0).all()


def test_a_hole_is_a_sequence_of_padding():
    frame = pd.DataFrame(
        {"speech": [steps(3), None], "twin": [steps(1), steps(1)], "label": [0, 1]}
    )
    schema = Schema([Sequence("speech"), Sequence("twin")], "label")
    frame = read_table(frame, schema)
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema))
    ((inputs, _),) = pipeline.evaluate()
    np.testing.assert_array_equal(inputs["present"], [[True, True], [False, True]])
    assert (inputs["speech"][1].numpy() == 0).all()
    alone = Pipeline(frame[1:], pipeline.preprocessing)
    ((inputs, _),) = alone.evaluate()
    assert inputs["speech"].shape == (1, 4, 2)


@pytest.mark.filterwarnings("ignore:The model does not take some cells")
def test_long_sequences_are_cut_at_their_end():
    frame = table_of(steps(9), steps(2))
    settings = SequenceSettings(max_length=6, scaling="none")
    (padded,) = inputs_of(frame, fit_preprocessing(frame, SCHEMA, {"speech": settings}))
    assert padded.shape == (2, 8, 2)
    np.testing.assert_array_equal(padded[0, :6], steps(9)[:6])
    assert (padded[0, 6:] == 0).all()


def test_z_scores_are_those_of_the_training_steps():
    rng = np.random.default_rng(0)
    train = table_of(*(rng.normal((5, -2, 3), (2, 0.1, 1), (n, 3)) for n in (4, 8, 12, 4)))
    test = table_of(*(rng.normal(100, 7, (4, 3)) for _ in range(2)))
    fitted = fit_preprocessing(train, SCHEMA)
    state = fitted.modalities["speech"]
    together = np.concatenate(list(train["speech"]))
    np.testing.assert_allclose(state.mean, together.mean(0), rtol=1e-6)
    np.testing.assert_allclose(state.deviation, together.std(0), rtol=1e-6)
    real = [x[:n] for x, n in zip(inputs_of(train, fitted)[0], (4, 8, 12, 4), strict=True)]
    np.testing.assert_allclose(np.concatenate(real).mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(real).std(0), 1, atol=1e-5)
    (scaled,) = inputs_of(test, fitted)
    expected = (np.stack(list(test["speech"])) - state.mean) / state.deviation
    np.testing.assert_allclose(scaled, expected, rtol=1e-4)
    assert Preprocessing.from_dict(fitted.to_dict()) == fitted


def test_a_feature_that_does_not_vary_becomes_zero():
    cells = [np.column_stack([np.full(4, 7.0), np.arange(4.0)]) for _ in range(2)]
    frame = table_of(*cells)
    fitted = fit_preprocessing(frame, SCHEMA)
    (padded,) = inputs_of(frame, fitted)
    assert (padded[..., 0] == 0).all() and np.ptp(padded[..., 1]) > 1
    changed = table_of(*(cell + 1 for cell in cells))
    (padded,) = inputs_of(changed, fitted)
    assert (padded[..., 0] == 1).all()


def test_noise_is_added_to_real_steps_in_training_only():
    frame = table_of(*(np.full((count, 2), 5.0) for count in (3, 8, 1)))
    settings = SequenceSettings(scaling="none", noise=0.5)
    pipeline = Pipeline(frame, fit_preprocessing(frame, SCHEMA, {"speech": settings}))
    ((clean, _),) = pipeline.evaluate()
    assert set(np.unique(clean["speech"])) == {0.0, 5.0}

    def noisy(**options):
        ((inputs, _),) = pipeline.train(epochs=1, **options)
        return inputs["speech"].numpy()

    values = noisy(seed=0)
    lengths = sorted((np.abs(values).max(axis=2) > 0).sum(axis=1))
    assert lengths == [1, 3, 8]
    real = values[values != 0]
    assert len(np.unique(real)) == 24 and abs(real.mean() - 5) < 0.5 and 0.2 < real.std() < 0.8
    np.testing.assert_array_equal(values, noisy(seed=0))
    assert set(np.unique(noisy(seed=0, augment=False))) == {0.0, 5.0}
    assert not np.array_equal(values, noisy(seed=1))


def test_without_a_readable_training_sequence_the_reason_is_given(tmp_path):
    (tmp_path / "a.npy").write_text("text")
    frame = table_of(str(tmp_path / "a.npy"), str(tmp_path / "a.npy"))
    with pytest.raises(ValueError, match=r"No training row has a feature sequence.*a\.npy.*starts"):
        fit_preprocessing(frame, SCHEMA)


def test_a_real_step_of_zeros_is_no_padding():
    steps = [np.array([[-1.0], [0.0], [1.0]]), np.array([[-1.0], [1.0]])]
    frame = pd.DataFrame({"x": steps, "label": ["a", "b"]})
    schema = Schema([Sequence("x")], "label")
    pipeline = Pipeline(frame, fit_preprocessing(frame, schema))
    inputs, _ = next(pipeline.evaluate().as_numpy_iterator())
    np.testing.assert_array_equal(
        inputs["x"].any(axis=2), [[True, True, True, False], [True, True, False, False]]
    )
    np.testing.assert_allclose(inputs["x"][0, 1], 0, atol=1e-3)


def test_the_most_frequent_width_is_the_right_one():
    cells = pd.Series([np.ones((2, 4)), *[np.ones((2, 3))] * 3])
    store = SequenceStore(cells)
    assert store.features == 3
    assert store.readable.tolist() == [False, True, True, True]
    assert "4 features; other rows 3" in store.reason(0)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mmkeras.data.media.sequences.MAX_NUMBERS", 1000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((1000, 10)))
    store = SequenceStore(pd.Series([str(path)]))
    assert "it claims 10000 numbers; at most 1000 are read" in store.reason(0)

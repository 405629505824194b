import os
import struct

import numpy as np
import pytest

from mmkeras.data.datasets import an4, load_dataset
from mmkeras.schema import Sequence, Text

FILES = {"train": ("an4_clstk/fash/an1-fash-b", "an4_clstk/mmap/cen2-mmap-b"), "test": ("x/f/t1",)}
FEATURES = np.random.default_rng(0).normal(size=(6, 13)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two utterances for training and one for testing, in the set's own format."""
    folder = tmp_path / "an4"
    (folder / "etc").mkdir(parents=True)
    for split, files in FILES.items():
        lines = [f"<s> TWO B </s> ({file.split('/')[-1]})\n" for file in files]
        (folder / f"etc/an4_{split}.transcription").write_text("".join(lines))
        (folder / f"etc/an4_{split}.fileids").write_text("\n".join(files))
        for file in files:
            path = folder / f"feat/{file}.mfc"
            path.parent.mkdir(parents=True)
            path.write_bytes(struct.pack(">i", FEATURES.size) + FEATURES.astype(">f4").tobytes())
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    return folder


def test_rows_are_utterances_with_their_words_and_speakers(folder):
    table, schema = load_dataset("an4", normalize=False, deltas=False)
    assert table["utterance"].tolist() == ["an1-fash-b", "cen2-mmap-b", "t1"]
    assert table["speaker"].tolist() == ["fash", "mmap", "f"]
    assert table["split"].tolist() == ["train", "train", "test"]
    assert set(table["transcript"]) == {"TWO B"}
    np.testing.assert_array_equal(table["speech"][1], FEATURES)
    assert schema.modalities == (Sequence("speech"),) and schema.group == "speaker"
    assert schema.target == Text("transcript", judged_by="wer")


def test_slopes_are_those_of_the_formula():
    x = FEATURES.astype(np.float64)
    found = an4.with_deltas(x)
    assert found.shape == (6, 39)
    np.testing.assert_array_equal(found[:, :13], FEATURES)

    def at(values, step):
        return values[np.clip(step, 0, 5)]

    def formula(values, t):
        two_steps = sum(n * (at(values, t + n) - at(values, t - n)) for n in (1, 2))
        return two_steps / (2 * (1**2 + 2**2))

    first = np.stack([formula(x, t) for t in range(6)])
    second = np.stack([formula(first, t) for t in range(6)])
    np.testing.assert_allclose(found[:, 13:], np.hstack([first, second]), atol=1e-6)


def test_options_change_the_features_of_each_utterance_alone(folder):
    cells = load_dataset("an4", normalize=True, deltas=True)[0]["speech"]
    expected = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    assert cells[0].shape == (6, 39) and cells[0].dtype == np.float32
    np.testing.assert_allclose(cells[0][:, :13], expected, atol=1e-5)
    np.testing.assert_array_equal(cells[0], cells[2])


def test_what_is_wrong_with_a_folder_is_named(folder):
    path = folder / "feat/x/f/t1.mfc"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"t1\.mfc .*Received: 78 and 315 bytes"):
        load_dataset("an4")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks feat/x/f/t1\.mfc\. Complete"):
        load_dataset("an4")
    with pytest.raises(ValueError, match=r"transcript and \(its name\).*'YES'"):
        an4._read_line("YES")


@pytest.mark.skipif("MMKERAS_DATA" not in os.environ, reason="needs MMKERAS_DATA")
def test_the_real_utterances_are_the_pinned_ones():
    from mmkeras.data.download import file_sha256, files_sha256, provided_dir

    table, _ = load_dataset("an4")
    train, test = (table[table["split"] == split] for split in an4.SPLITS)
    assert (len(train), train["speaker"].nunique()) == (948, 74)
    assert (len(test), test["speaker"].nunique()) == (130, 10)
    assert not set(train["speaker"]) & set(test["speaker"])
    assert sum(map(len, test["transcript"])) == 2565
    words, known = " ".join(test["transcript"]).split(), set(" ".join(train["transcript"]).split())
    assert (len(words), len(known), len(set(words) - known)) == (773, 99, 2)
    lengths = table["speech"].map(len)
    assert (lengths.min(), lengths.max()) == (69, 639)
    folder = provided_dir("an4")
    for file, expected in an4._LISTS_SHA256.items():
        assert file_sha256(folder / "etc" / file) == expected
    files = [str(path.relative_to(folder)) for path in folder.glob("feat/*/*/*.mfc")]
    assert files_sha256(folder, files) == an4._FEATURES_SHA256

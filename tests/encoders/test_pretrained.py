"""Pre-trained encoders: the layer, the networks, and the files that they come from."""

import doctest
import io
import json
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path

import keras
import numpy as np
import pytest

from mmkeras.data.subwords import Subwords
from mmkeras.encoders import BackboneEncoder, PretrainedEncoder
from mmkeras.encoders.pretrained.bert import bert, read_bert
from mmkeras.encoders.pretrained.efficientnet_lite import efficientnet_lite
from mmkeras.encoders.pretrained.safetensors import read_safetensors
from mmkeras.encoders.pretrained.torch_file import read_torch
from tests.encoders.tiny_networks import (
    CONFIG,
    bert_arrays,
    sources,
    write_bert,
    write_image_network,
    write_safetensors,
)
from tests.layer_checks import call, check_close

IDS = np.array([[2, 5, 8, 9, 3, 0, 0], [2, 4, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], "int32")
IMAGES = np.random.default_rng(0).random((3, 16, 24, 3), "float32")


def model_of(encoder, inputs):
    symbolic = keras.Input(inputs.shape[1:], dtype=str(inputs.dtype))
    return keras.Model(symbolic, keras.layers.Dense(2)(encoder(symbolic)))


def norm(x, arrays, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def bert_by_hand(arrays, ids, config=CONFIG):
    """The tokens of one text without padding, head by head, as the paper has it."""
    from scipy.special import erf, softmax

    def dense(x, name):
        return x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]

    x = arrays["embeddings.word_embeddings.weight"][ids]
    x = x + arrays["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        x + arrays["embeddings.token_type_embeddings.weight"][0], arrays, "embeddings.LayerNorm"
    )
    size = config["hidden_size"] // config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        of = f"encoder.layer.{layer}"
        parts = (dense(x, f"{of}.attention.self.{name}") for name in ("query", "key", "value"))
        query, key, value = parts
        heads = []
        for start in range(0, config["hidden_size"], size):
            own = slice(start, start + size)
            scores = query[:, own] @ key[:, own].T / np.sqrt(size)
            heads.append(softmax(scores, axis=-1) @ value[:, own])
        attended = dense(np.concatenate(heads, axis=1), f"{of}.attention.output.dense")
        x = norm(x + attended, arrays, f"{of}.attention.output.LayerNorm")
        inner = dense(x, f"{of}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        x = norm(x + dense(inner, f"{of}.output.dense"), arrays, f"{of}.output.LayerNorm")
    return x


def test_tokens_of_bert_are_those_computed_by_hand():
    encoder = PretrainedEncoder(sources()["text"])
    tokens = call(encoder, {"inputs": IDS})
    for row, length in enumerate([5, 3]):
        by_hand = bert_by_hand(bert_arrays(), IDS[row, :length])
        check_close(tokens[row, :length], by_hand, 1e-4)


def test_weights_of_a_model_with_a_head_and_of_the_older_names_are_found(tmp_path):
    folder = write_bert(tmp_path / "older")
    older = {
        f"bert.{name.replace('LayerNorm.weight', 'LayerNorm.gamma')}".replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in bert_arrays().items()
    }
    write_safetensors(folder / "model.safetensors", {**older, "cls.bias": np.zeros(3)})
    expected = call(PretrainedEncoder(sources()["text"]), {"inputs": IDS})
    np.testing.assert_array_equal(call(PretrainedEncoder(folder), {"inputs": IDS}), expected)


def test_a_folder_of_another_network_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="applications:NAME"):
        PretrainedEncoder(tmp_path / "nowhere").build((None, None))
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        read_bert(tmp_path)
    with pytest.raises(ValueError, match="model_type is 'gpt2'"):
        bert({**CONFIG, "model_type": "gpt2"})
    folder = write_bert(tmp_path / "texts")
    with pytest.raises(ValueError, match="at most 64 tokens"):
        read_bert(folder, max_length=80)
    write_safetensors(folder / "model.safetensors", {"weight": np.ones(3)})
    with pytest.raises(ValueError, match="not a BERT network"):
        read_bert(folder)
    (tmp_path / "network.h5").write_bytes(b"")
    with pytest.raises(ValueError, match="not a pre-trained network"):
        PretrainedEncoder(tmp_path / "network.h5").build((None, 8, 8, 3))


def differ(weights, others):
    return any((a != b).any() for a, b in zip(weights, others, strict=True))


@pytest.mark.parametrize(
    ("kind", "train", "trained"),
    [
        ("text", None, []),
        ("text", "layer_1", ["layer_1"]),
        ("text", "all", ["embeddings", "layer_0", "layer_1"]),
        ("image", None, []),
        ("image", "block_1", ["block_1_norm", "block_1"]),
    ],
)
def test_training_changes_what_it_is_told_to_also_after_loading(kind, train, trained, tmp_path):
    inputs = IDS if kind == "text" else IMAGES
    model = model_of(PretrainedEncoder(sources()[kind], train=train), inputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for each in (model, loaded):
        network = each.layers[1].network
        before = {layer.name: layer.get_weights() for layer in network.layers}
        each.compile("sgd", "mse", run_eagerly=True)
        outputs = each.predict(inputs, verbose=0)
        each.train_on_batch(inputs, outputs + 1)
        changed = [
            layer.name
            for layer in network.layers
            if differ(before[layer.name], layer.get_weights())
        ]
        assert changed == trained
        if kind == "image":
            moving = network.get_layer("block_1_norm").get_weights()[2:]
            assert not differ(moving, before["block_1_norm"][2:])


def test_an_unknown_layer_to_train_from_is_refused():
    with pytest.raises(ValueError, match="embeddings, layer_0, layer_1"):
        PretrainedEncoder(sources()["text"], train="block_9").build((None, None))


def test_a_saved_model_needs_its_source_no_more(tmp_path):
    path = write_image_network(tmp_path / "images.keras")
    model = model_of(PretrainedEncoder(path), IMAGES)
    expected = model.predict(IMAGES, verbose=0)
    model.save(tmp_path / "model.keras")
    path.unlink()
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), expected)


def test_a_map_becomes_tokens_row_by_row_and_grey_becomes_colour():
    encoder = PretrainedEncoder(sources()["image"])
    tokens = call(encoder, {"inputs": IMAGES})
    of_network = keras.ops.convert_to_numpy(encoder.network(IMAGES))
    assert tokens.shape == (3, 6, 6)
    assert encoder.token_grid((16, 24, 3)) == (2, 3)
    np.testing.assert_allclose(tokens[1, 4], of_network[1, 1, 1], atol=1e-6)
    grey = IMAGES[..., :1]
    np.testing.assert_allclose(
        call(encoder, {"inputs": grey}), call(encoder, {"inputs": grey.repeat(3, axis=-1)})
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Small", "MobileNetV2", "ResNet50"])
def test_a_network_of_keras_applications_is_the_backbone_of_that_name(name, tmp_path):
    backbone = BackboneEncoder(name)
    images = np.random.default_rng(0).random((2, 64, 64, 3), "float32")
    expected = call(backbone, {"inputs": images})
    weights = tmp_path / "own.weights.h5"
    backbone.model.save_weights(weights)
    encoder = PretrainedEncoder(f"applications:{name}:{weights}")
    model = model_of(encoder, images)
    check_close(call(encoder, {"inputs": images}), expected, 1e-4)
    assert encoder.token_grid((64, 64, 3)) == (2, 2)
    weights.unlink()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    check_close(loaded.predict(images, verbose=0), model.predict(images, verbose=0), 1e-4)


def test_an_unknown_network_of_keras_applications_is_refused(tmp_path):
    with pytest.raises(ValueError, match="ConvNeXtTiny"):
        PretrainedEncoder("applications:AlexNet").build((None, 64, 64, 3))
    with pytest.raises(FileNotFoundError, match="no weights"):
        source = f"applications:MobileNetV2:{tmp_path / 'none.h5'}"
        PretrainedEncoder(source).build((None, 64, 64, 3))


def test_networks_that_are_no_encoders_are_refused():
    images, more = keras.Input((8, 8, 3)), keras.Input((4,))
    flat = keras.layers.Flatten()(images)
    two = keras.Model([images, more], keras.layers.Concatenate()([flat, more]))
    with pytest.raises(ValueError, match="one input and one output"):
        PretrainedEncoder(network=two).build((None, 8, 8, 3))
    scalar = keras.Model(images, keras.ops.sum(images, axis=(1, 2, 3)))
    with pytest.raises(ValueError, match="gives a map"):
        PretrainedEncoder(network=scalar).build((None, 8, 8, 3))
    steps = keras.Input((5, 3))
    masked = keras.Model(steps, keras.layers.Masking()(steps))
    with pytest.raises(ValueError, match="brings a Keras mask"):
        PretrainedEncoder(network=masked).build((None, 5, 3))
    with pytest.raises(ValueError, match="needs the `source`"):
        PretrainedEncoder()


def test_a_safetensors_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": np.arange(6.0).reshape(2, 3), "b": np.float32([7])})
    np.testing.assert_array_equal(read_safetensors(path)["a"], np.arange(6.0).reshape(2, 3))
    whole = path.read_bytes()
    for data, words in ((whole[:-1], "cannot be read"), (whole[:9], "cut off"), (b"", "cut off")):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            read_safetensors(path)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\xc0")
    np.testing.assert_array_equal(read_safetensors(path)["a"], np.float32([1, -2]))


class Pickler(pickle._Pickler):  # that of Python, which can be told what to call a class
    """Writes a state dict as PyTorch does, without PyTorch."""

    def persistent_id(self, obj):
        return (
            ("storage", Name("torch", "FloatStorage"), *obj.about)
            if isinstance(obj, Stored)
            else None
        )

    def save_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            return self.save_name(obj)
        return super().save(obj, save_persistent_id)


class Name:
    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise AssertionError


class Stored:
    def __init__(self, key, count):
        self.about = (key, "cpu", count, None)


class View:
    """What PyTorch pickles of a tensor."""

    def __init__(self, *about):
        self.about = about

    def __reduce__(self):
        return Name("torch._utils", "_rebuild_tensor_v2"), (*self.about, False, OrderedDict())


class Call:
    """What asks for a function to be called when it is read."""

    def __init__(self, *about):
        self.about = about

    def __reduce__(self):
        return self.about


def pickled(*objects):
    file = io.BytesIO()
    for each in objects:
        Pickler(file, 2).dump(each)
    return file.getvalue()


NUMBERS = np.arange(12, dtype="<f4")
STATE = OrderedDict(
    rows=View(Stored("7", 12), 0, (2, 3), (3, 1)), columns=View(Stored("7", 12), 6, (3, 2), (1, 3))
)


def write_archive(path, state):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(state))
        archive.writestr("archive/data/7", NUMBERS.tobytes())


def write_legacy(path, state):
    about = {"little_endian": True}
    stored = ["7"] if isinstance(state, dict) else []
    head = pickled(0x1950A86A20F9469CFC6C, 1001, about, state, stored)
    path.write_bytes(head + len(NUMBERS).to_bytes(8, "little") + NUMBERS.tobytes())


@pytest.mark.parametrize("write", [write_archive, write_legacy])
def test_of_a_torch_file_tensors_are_read_and_nothing_else_is_called(write, tmp_path):
    path = tmp_path / "weights.pth"
    write(path, STATE)
    arrays = read_torch(path)
    np.testing.assert_array_equal(arrays["rows"], NUMBERS[:6].reshape(2, 3))
    np.testing.assert_array_equal(arrays["columns"], NUMBERS[6:].reshape(2, 3).T)
    hit = tmp_path / "hit"
    for module, name, arguments in (
        ("os", "system", (f"touch {hit}",)),
        ("builtins", "eval", (f"open({str(hit)!r}, 'w')",)),
        ("torch", "load", ("x",)),
        ("collections", "Counter", ()),
    ):
        write(path, OrderedDict(rows=Call(Name(module, name), arguments)))
        with pytest.raises(ValueError, match=rf"asks for {module}\.{name}"):
            read_torch(path)
    assert not hit.exists()
    outside = View(Stored("7", 12), 8, (2, 3), (3, 1))
    backwards = View(Stored("7", 12), 8, (2,), (-1,))
    for state, words in (
        (OrderedDict(rows=outside), "does not lie inside"),
        (OrderedDict(rows=backwards), "does not lie inside"),
        (OrderedDict(rows=3), "a int among"),
        ([1, 2], "holds a list"),
    ):
        write(path, state)
        with pytest.raises(ValueError, match=words):
            read_torch(path)
    write(path, STATE)
    path.write_bytes(path.read_bytes()[:-70])
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        read_torch(path)


def lite_arrays():
    """The weights of a narrow EfficientNet-Lite of three blocks, random."""
    rng, arrays = np.random.default_rng(0), {}

    def layer(name, shape, normed):
        arrays[f"{name}.weight"] = rng.normal(0, 0.5, shape).astype("float32")
        for part in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{normed}.{part}"] = rng.uniform(0.5, 1.5, shape[0]).astype("float32")

    layer("_conv_stem", (4, 3, 3, 3), "_bn0")
    layer("_blocks.0._depthwise_conv", (4, 1, 3, 3), "_blocks.0._bn1")
    layer("_blocks.0._project_conv", (3, 4, 1, 1), "_blocks.0._bn2")
    for number, kernel in ((1, 3), (2, 5)):
        of = f"_blocks.{number}"
        width = 3 if number == 1 else 5
        layer(f"{of}._expand_conv", (6 * width, width, 1, 1), f"{of}._bn0")
        layer(f"{of}._depthwise_conv", (6 * width, 1, kernel, kernel), f"{of}._bn1")
        layer(f"{of}._project_conv", (5, 6 * width, 1, 1), f"{of}._bn2")
    layer("_conv_head", (7, 5, 1, 1), "_bn1")
    return arrays


def lite_by_hand(arrays, image):
    """The last map of one image, place by place."""

    def norm(x, name):
        scale = arrays[f"{name}.weight"] / np.sqrt(arrays[f"{name}.running_var"] + 1e-3)
        return (x - arrays[f"{name}.running_mean"]) * scale + arrays[f"{name}.bias"]

    def convolve(x, name, stride=1, depthwise=False):
        kernel, height, width = arrays[f"{name}.weight"], *x.shape[:2]
        size, rows, cols = kernel.shape[2], -(-height // stride), -(-width // stride)
        more = [
            max((n - 1) * stride + size - side, 0) for n, side in ((rows, height), (cols, width))
        ]
        x = np.pad(x, [*((m // 2, m - m // 2) for m in more), (0, 0)])
        out = np.zeros((rows, cols, len(kernel)))
        for r, c in np.ndindex(rows, cols):
            seen = x[r * stride : r * stride + size, c * stride : c * stride + size]
            rule = "ijk,kij->k" if depthwise else "ijk,okij->o"
            out[r, c] = np.einsum(rule, seen, kernel[:, 0] if depthwise else kernel)
        return out

    def relu6(x):
        return np.clip(x, 0, 6)

    x = relu6(norm(convolve((255 * image - 127) / 128, "_conv_stem", 2), "_bn0"))
    for number, stride in enumerate((1, 2, 1)):
        of, block = f"_blocks.{number}", x
        if number:
            x = relu6(norm(convolve(x, f"{of}._expand_conv"), f"{of}._bn0"))
        x = relu6(norm(convolve(x, f"{of}._depthwise_conv", stride, True), f"{of}._bn1"))
        x = norm(convolve(x, f"{of}._project_conv"), f"{of}._bn2")
        x = x + block if number == 2 else x
    return relu6(norm(convolve(x, "_conv_head"), "_bn1"))


def test_the_map_of_an_efficientnet_lite_is_that_computed_by_hand():
    arrays = lite_arrays()
    network = efficientnet_lite(arrays)
    image = IMAGES[:1, :9, :12]
    by_hand = lite_by_hand(arrays, image[0])
    assert by_hand.min() < by_hand.max()
    check_close(keras.ops.convert_to_numpy(network(image))[0], by_hand, 1e-4)
    with pytest.raises(ValueError, match="not the weights of an EfficientNet-Lite"):
        efficientnet_lite({"conv1.weight": np.ones((3, 3, 3, 3))})


@pytest.fixture(scope="module")
def subwords():
    return Subwords(Subwords.read(Path(sources()["text"])))


def test_texts_are_cut_into_the_tokenizers_pieces(subwords):
    ids = subwords.ids(["Reds", "the small one", "xyz"])
    assert subwords.pieces(ids[0]) == ["[CLS]", "red", "##s", "[SEP]"]
    assert [len(each) for each in ids] == [4, 5, 3]
    assert subwords.cut(ids[1], 4) == [*ids[1][:3], ids[1][-1]]
    assert set(ids[2]) == subwords.nothing_known
    with pytest.raises(ValueError, match="above 2"):
        subwords.cut(ids[1], 2)


def test_a_tokenizer_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        Subwords.read(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="not the JSON of a tokenizer"):
        Subwords.read(path)
    state = json.loads(Subwords.read(sources()["text"]))
    state["padding"]["pad_id"] = 1
    with pytest.raises(ValueError, match="must be 0"):
        Subwords(json.dumps(state))


def test_the_examples_of_the_page_run():
    page = Path(__file__).resolve().parents[2] / "docs" / "pretrained.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    results = doctest.DocTestRunner().run(test)
    assert results.attempted > 20 and not results.failed

"""MiniLM and EfficientNet-Lite0 in PyTorch, as contestants of `encoding.py`; needs torch alone.

Texts run through `nn.TransformerEncoder`, whose fast path for inference computes no padding;
pictures through layers as the published package has them, in either memory layout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from contestants import answer_turns
from torch import nn
from torch.nn import functional

# The blocks of each stage: repeats, kernel, stride of the first, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


class Bert(nn.Module):
    """Token ids `(batch, tokens)`, 0 for padding, to tokens `(batch, tokens, dim)`.

    Args:
        config: What `config.json` holds.
    """

    def __init__(self, config: Mapping):
        super().__init__()
        dim, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.word = nn.Embedding(config["vocab_size"], dim)
        self.position = nn.Embedding(config["max_position_embeddings"], dim)
        self.norm = nn.LayerNorm(dim, eps=epsilon)
        layer = nn.TransformerEncoderLayer(
            dim,
            config["num_attention_heads"],
            config["intermediate_size"],
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=epsilon,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config["num_hidden_layers"])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.word(ids) + self.position.weight[: ids.shape[1]])
        return self.encoder(x, src_key_padding_mask=ids == 0)


def bert_state(tensors: Mapping[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The state of `Bert` by the names of its published weights."""
    # Texts are one segment; its vector goes into those of the positions.
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    state = {
        "word.weight": tensors["embeddings.word_embeddings.weight"],
        "position.weight": tensors["embeddings.position_embeddings.weight"] + segment,
    }
    parts = ("weight", "bias")
    state |= {f"norm.{part}": tensors[f"embeddings.LayerNorm.{part}"] for part in parts}
    names = {
        "self_attn.out_proj.": "attention.output.dense",
        "linear1.": "intermediate.dense",
        "linear2.": "output.dense",
        "norm1.": "attention.output.LayerNorm",
        "norm2.": "output.LayerNorm",
    }
    for number in range(layers):
        theirs, own = f"encoder.layer.{number}.", f"encoder.layers.{number}."
        for part in parts:
            projections = [
                tensors[f"{theirs}attention.self.{name}.{part}"]
                for name in ("query", "key", "value")
            ]
            state[f"{own}self_attn.in_proj_{part}"] = torch.cat(projections)
            state |= {f"{own}{k}{part}": tensors[f"{theirs}{v}.{part}"] for k, v in names.items()}
    return state


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The float32 tensors of a file, by name: a header of JSON, then the numbers of each."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, about in json.loads(data[8:start]).items():
        if name != "__metadata__" and about["dtype"] == "F32":
            begin, end = (start + offset for offset in about["data_offsets"])
            array = np.frombuffer(data[begin:end], "<f4").reshape(about["shape"])
            found[name] = torch.from_numpy(array.copy())
    return found


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow does it: of an odd number, more at the right and below."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        needed = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
        if any(n % 2 for n in needed):
            high, wide = needed
            x = functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
            padding = (0, 0)
        else:
            padding = tuple(n // 2 for n in needed)
        return functional.conv2d(x, self.weight, None, self.stride, padding, 1, self.groups)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
    return Convolution(inputs, outputs, kernel, stride, groups=groups, bias=False)


class Block(nn.Module):
    """Channels are expanded, convolved one by one, and projected; added to the input if it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = expansion * inputs
        if expansion > 1:
            self._expand_conv = convolution(inputs, wide, 1)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = convolution(wide, wide, kernel, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = convolution(wide, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        x = inputs
        if hasattr(self, "_expand_conv"):
            x = functional.relu6(self._bn0(self._expand_conv(x)), inplace=True)
        x = functional.relu6(self._bn1(self._depthwise_conv(x)), inplace=True)
        x = self._bn2(self._project_conv(x))
        return x + inputs if self._adds else x


class Lite0(nn.Module):
    """Pictures `(batch, 3, height, width)` of 0 to 255 to the last map `(batch, 1280, ...)`."""

    def __init__(self):
        super().__init__()
        self._conv_stem = convolution(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, eps=1e-3)
        blocks, channels = [], STEM
        for repeats, kernel, stride, expansion, width in STAGES:
            for number in range(repeats):
                blocks.append(Block(channels, width, kernel, 1 if number else stride, expansion))
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = convolution(channels, HEAD, 1)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=1e-3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        x = (pictures - 127) / 128
        x = functional.relu6(self._bn0(self._conv_stem(x)), inplace=True)
        for block in self._blocks:
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x)), inplace=True)


def encoded_texts(model: Bert, texts: list[np.ndarray], batch_size: int) -> Iterator[tuple]:
    """Rows' places and their tokens `(tokens, dim)`; those of one length together."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        ids = np.zeros((len(rows), max(len(texts[row]) for row in rows)), np.int64)
        for place, row in zip(ids, rows, strict=True):
            place[: len(texts[row])] = texts[row]
        tokens = model(torch.from_numpy(ids)).numpy()
        yield from ((row, own[: len(texts[row])]) for row, own in zip(rows, tokens, strict=True))


def encoded_pictures(
    model: Lite0, pictures: np.ndarray, batch_size: int, layout: torch.memory_format
) -> Iterator[tuple]:
    """Rows' places and the places of their maps, `(tokens, dim)`."""
    for start in range(0, len(pictures), batch_size):
        batch = torch.from_numpy(pictures[start : start + batch_size]).permute(0, 3, 1, 2)
        maps = model(batch.float().contiguous(memory_format=layout))
        tokens = maps.flatten(2).transpose(1, 2).contiguous().numpy()
        yield from enumerate(tokens, start)


def make_step(options: dict) -> tuple[Callable[[], float], int]:
    """A function that encodes all rows and gives their mean, and how many weights there are.

    It encodes them once and writes that to `outputs`, all tokens in the order of the rows.
    """
    torch.set_num_threads(options["threads"])
    rows = np.load(options["rows"])
    if options["kind"] == "texts":
        source = Path(options["minilm"])
        config = json.loads((source / "config.json").read_text())
        model: nn.Module = Bert(config)
        tensors = read_safetensors(source / "model.safetensors")
        model.load_state_dict(bert_state(tensors, config["num_hidden_layers"]))
        texts = np.split(rows["ids"], np.cumsum(rows["lengths"])[:-1])
        encoded = lambda: encoded_texts(model, texts, options["batch_size"])  # noqa: E731
    else:
        last = options["channels_last"]
        layout = torch.channels_last if last else torch.contiguous_format
        model = Lite0()
        state = torch.load(options["lite0"], weights_only=True)
        model.load_state_dict({k: v for k, v in state.items() if not k.startswith("_fc")})
        model = model.to(memory_format=layout)
        pictures = rows["pictures"]
        encoded = lambda: encoded_pictures(model, pictures, options["batch_size"], layout)  # noqa: E731
    model.eval()

    def tokens() -> np.ndarray:
        with torch.inference_mode():
            found = dict(encoded())
        return np.concatenate([found[row] for row in range(len(found))])

    np.save(options["outputs"], tokens())
    numbers = [x.numel() for x in model.state_dict().values() if x.is_floating_point()]
    return lambda: float(tokens()[-1].mean()), sum(numbers)


if __name__ == "__main__":
    answer_turns(*make_step(json.loads(sys.argv[1])))

"""Read a safetensors file: a header of JSON, then the numbers of each tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.reading import check_keys, naming, parse_json

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}
_LARGEST_HEADER = 100_000_000


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name, read-only.

    Args:
        path: A `.safetensors` file. Numbers of the type BF16 become float32.

    Raises:
        ValueError: It is not such a file, or it is cut off.

    References:
        - <https://github.com/huggingface/safetensors> (the format)
    """
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    if not 8 < start <= min(len(data), _LARGEST_HEADER):
        raise ValueError(f"{path} is not a safetensors file, or it is cut off.")
    with naming(path):
        header = parse_json(data[8:start])
        check_keys(header, dict.fromkeys(header, Mapping[str, Any]))
        described = {"data_offsets": tuple[int, int], "dtype": str, "shape": tuple[int, ...]}
        for name, about in header.items():
            check_keys(about, {} if name == "__metadata__" else described, name)
    header.pop("__metadata__", None)
    arrays = {}
    for name, about in header.items():
        begin, end = (start + offset for offset in about["data_offsets"])
        dtype = "<u2" if about["dtype"] == "BF16" else _DTYPES.get(about["dtype"])
        if dtype is None or not start <= begin <= end <= len(data):
            raise ValueError(f"{path}: the tensor {name!r} is {about}, which cannot be read.")
        array = np.frombuffer(data[begin:end], dtype)
        if about["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = array.reshape(about["shape"])
    return arrays

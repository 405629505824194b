"""Read the tensors of a PyTorch file, and run nothing of what else may stand in it.

Such a file is a pickle, which can name any function and have it called. The reader here lets it
name an ordered dict, the kinds of storage, and the function that makes a tensor of one; whatever
else it names is refused before anything is called.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _Storage(NamedTuple):
    """A run of numbers in the file."""

    dtype: str
    key: str


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    """What stands for a tensor until the numbers are read; gradients and hooks are left out."""
    return _Tensor(storage, offset, tuple(size), tuple(stride))


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(
            f"The file asks for {module}.{name}, and only tensors are read. Save it from PyTorch "
            "as a state dict, or as safetensors."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise ValueError(f"The file refers to {pid!r}, which is not a tensor's storage.")
        return _Storage(str(pid[1]), str(pid[2]))


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict that PyTorch saved, by name.

    Args:
        path: A `.pth`, `.pt` or `.bin` file, of the format of PyTorch 1.6 (an archive) or the one
            before it.

    Raises:
        ValueError: The file holds anything but named tensors, or it is cut off.
    """
    path = Path(path)
    try:
        read = _read_archive if zipfile.is_zipfile(path) else _read_legacy
        state, numbers = read(path)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
        return {str(name): _array(name, tensor, numbers) for name, tensor in state.items()}
    except (ValueError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a file of named tensors of PyTorch: {error}") from error


def _read_archive(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(path) as archive:
        pickled = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise ValueError("the archive has no data.pkl")
        root = pickled.removesuffix("data.pkl")
        byte_order = f"{root}byteorder"
        if byte_order in archive.namelist() and archive.read(byte_order) != b"little":
            raise ValueError("its numbers are big-endian")
        state = _TensorUnpickler(io.BytesIO(archive.read(pickled))).load()
        storages = {x.storage for x in _values(state)}
        return state, {
            s.key: np.frombuffer(archive.read(f"{root}data/{s.key}"), s.dtype) for s in storages
        }


def _read_legacy(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    with path.open("rb") as file:
        magic, protocol, about = (_TensorUnpickler(file).load() for _ in range(3))
        if magic != _MAGIC or protocol != _PROTOCOL or not about["little_endian"]:
            raise ValueError("it does not begin as one")
        state = _TensorUnpickler(file).load()
        keys = _TensorUnpickler(file).load()
        dtypes = {x.storage.key: x.storage.dtype for x in _values(state)}
        return state, {key: _next_numbers(file, dtypes[key]) for key in map(str, keys)}


def _next_numbers(file: BinaryIO, dtype: str) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    size = count * np.dtype(dtype).itemsize
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it is cut off")
    return np.frombuffer(data, dtype)


def _values(state: Any) -> list[_Tensor]:
    values = list(state.values()) if isinstance(state, dict) else []
    if others := [value for value in values if not isinstance(value, _Tensor)]:
        raise ValueError(f"it holds a {type(others[0]).__name__} among the tensors")
    return values


def _array(name: str, tensor: _Tensor, numbers: dict[str, np.ndarray]) -> np.ndarray:
    """A tensor's numbers, once it is sure that they lie inside its storage."""
    storage, offset, size, stride = tensor
    data = numbers[storage.key]
    whole = [offset, *size, *stride]
    inside = len(size) == len(stride) and all(isinstance(x, int) and x >= 0 for x in whole)
    reach = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if inside else 0
    if not inside or (0 not in size and offset + reach >= len(data)):
        raise ValueError(f"the tensor {name!r} does not lie inside its storage")
    steps = [step * data.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(data[offset:], size, steps, writeable=False).copy()

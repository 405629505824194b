"""What every kind of input answers: how its cells are read, prepared, fed and shown."""

from __future__ import annotations

import functools
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
import PIL.Image

from mmkeras.data.kinds.protocols import FedRows, Fitted, MediaFitted, Source, Store
from mmkeras.data.media.cells import Problem, media_of, read_media
from mmkeras.data.unprepared import Unprepared
from mmkeras.schema import Modality

if TYPE_CHECKING:
    from mmkeras.data.media.stores import MediaStore
    from mmkeras.tasks import Task

PICTURE_SIZE = 96
_BATCH = 256  # cells that are made inputs at once

CellReader = Callable[[pd.Series, Path], tuple[pd.Series, list[Problem]]]
S = TypeVar("S")
F = TypeVar("F", bound=Fitted)
M = TypeVar("M", bound=MediaFitted)


def drawn(column: pd.Series, most: int) -> pd.Series:
    """Of many cells some, evenly."""
    places = np.linspace(0, len(column) - 1, min(len(column), most)).round().astype(int)
    return column.iloc[places]


def check_scaling(mean: Sequence[float], deviation: Sequence[float], size: int | None) -> None:
    """Refuses means and deviations that are of another number of things, or divide by 0.

    Args:
        mean, deviation: Of each thing; empty where nothing is scaled.
        size: How many things there are; `None` where any number is right.
    """
    if len(mean) != len(deviation) or (mean and size is not None and len(mean) != size):
        raise ValueError(
            f"`mean` and `deviation` must have {'equal lengths' if size is None else size} "
            f"numbers, or none. Received: {len(mean)} and {len(deviation)}."
        )
    if min(deviation, default=1.0) <= 0:
        raise ValueError(f"`deviation` must be above 0. Received: {min(deviation)}.")


def check_choice(owner: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(f"{owner}: `{name}` must be one of {choices}. Received: {value!r}.")


class Kind(ABC, Generic[S, F]):
    """A kind of input: all that depends on it. `mmkeras.data.kinds.KINDS` holds one of each.

    Attributes:
        name: Its name in a schema.
        noun: What one cell is called in messages.
        settings: The dataclass of its settings; `settings()` are the defaults.
        preprocessor: The class of its fitted state.
        suffixes: How the names of its files end; `infer_schema` guesses by them.
        signature: What its files start with, of their first 12 bytes.
        has_files: Whether a cell may be the path of a file, and a large array.
        has_words: Whether a cell is a text.
        is_table: Whether it has several columns, each cell a number or a category.
        is_visual: Whether people see a cell as a picture.
        is_audible: Whether people hear a cell.
        has_heat_map: Whether inputs are an even grid that heat maps can be laid over.
        varying_length: Whether inputs have as many tokens as the cell, at most the settings'
            `max_length`.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    settings: ClassVar[type]
    preprocessor: ClassVar[Any]
    suffixes: ClassVar[tuple[str, ...]] = ()
    signature: ClassVar[re.Pattern[bytes] | None] = None
    has_files: ClassVar[bool] = False
    has_words: ClassVar[bool] = False
    is_table: ClassVar[bool] = False
    is_visual: ClassVar[bool] = False
    is_audible: ClassVar[bool] = False
    has_heat_map: ClassVar[bool] = False
    varying_length: ClassVar[bool] = False

    def check_fitted(self, modality: Any, fitted: F) -> None:
        """Refuses a fitted state, read from a file, that no training rows of a modality give.

        The types of its fields have been checked.

        Raises:
            ValueError: Its parts contradict each other, or the modality.
        """

    def column_roles(self, modality: Any) -> dict[str, str]:
        """How the cells of each column are read: a role of `readers`, or of `tables.columns`."""
        return dict.fromkeys(modality.columns, self.name)

    def readers(self) -> dict[str, CellReader]:
        """What reads the cells of its columns, by their role."""
        return {self.name: self.read_cells}

    def read_cells(self, cells: pd.Series, folder: Path) -> tuple[pd.Series, list[Problem]]:
        """Checks a column's cells, and brings them to the form that `read_table` promises.

        Args:
            cells: The cells as they came.
            folder: What paths are relative to.

        Returns:
            The cells, and what is wrong with them.
        """
        raise NotImplementedError(f"The columns of a {self.name} modality have roles of their own.")

    def is_array(self, array: np.ndarray) -> bool:
        """Whether an array of numbers looks like a cell of this kind, going by shape and type."""
        return False

    def path_problem(self, path: str) -> str | None:
        """What is wrong with the name of a file, and what to do about it; or None."""
        return None

    def open_store(
        self,
        column: pd.Series,
        settings: S,
        *,
        fitted: F | None = None,
        cache: str | None = None,
        cache_dir: str | Path | None = None,
    ) -> Store | None:
        """Decodes or reads a column's cells once, where that can fail; `None` for other kinds.

        Args:
            column: Cells as `read_table` returns them.
            settings: How they are decoded.
            fitted: The fitted state, where there is one already.
            cache: Where decoded cells stay: `"memory"`, `"file"` (in `cache_dir`) or `None`.
            cache_dir: The folder for files.
        """
        return None

    def decoded_bytes(self, column: pd.Series, settings: S) -> int:
        """How much room a cache needs for a decoded column, in bytes."""
        return 0

    @abstractmethod
    def source(self, rows: FedRows, modality: Modality, fitted: F, store: Store | None) -> Source:
        """What makes the batches.

        Args:
            rows: The rows that are fed.
            modality: Which columns.
            fitted: The fitted state.
            store: Of `open_store`.
        """

    @abstractmethod
    def raw_values(self, frame: pd.DataFrame, modality: Modality, fitted: F, source: Source) -> Any:
        """The decoded cells before scaling and encoding, one per row: what corruptions change.

        Args:
            frame: The rows.
            modality: Which columns.
            fitted: The fitted state.
            source: Of these rows.
        """

    @abstractmethod
    def inputs_of(self, values: Any, fitted: F, length: int | None) -> np.ndarray:
        """What the model gets for raw values, `(rows, ...)`, all padded to one length.

        Args:
            values: Like `raw_values`, changed or not.
            fitted: The fitted state.
            length: Of `common_length`, or longer.
        """

    def cells_of(self, values: np.ndarray, modality: Any, fitted: F) -> pd.DataFrame:
        """The cells that inputs stand for, such as those that a generative model makes.

        Args:
            values: Like the model's inputs, `(rows, ...)`.
            modality: Which columns.
            fitted: The fitted state.

        Returns:
            A column for each of the modality's, in the form that `read_table` promises.

        Raises:
            ValueError: Nothing says which cells of this kind have such inputs.
        """
        raise ValueError(
            f"What a model makes of {modality.name!r} is its inputs; no {self.noun} is known that "
            "has them."
        )

    def as_inputs(self, values: np.ndarray, modality: Any, fitted: F) -> np.ndarray:
        """What a generative model expects of inputs, in the form of real ones, `(rows, ...)`."""
        return values

    def is_augmented(self, settings: S) -> bool:
        """Whether training inputs are moved; where a kind does not say, they may be."""
        return True

    def common_length(self, values: Any, fitted: F) -> int | None:
        """The length that raw values, or what a corruption makes of them, are padded to."""
        return None

    def filtered(self, frame: pd.DataFrame, modality: Any, fitted: F, task: Task | None) -> F:
        """The fitted state, of which only some features are kept, where its settings say so.

        Args:
            frame: The training rows that have the modality.
            modality: Which columns.
            fitted: The fitted state.
            task: The fitted target, by which features are judged; `None` without a target.
        """
        return fitted

    def unprepared(
        self, frame: pd.DataFrame, modality: Any, fitted: F, source: Source
    ) -> list[Unprepared]:
        """Cells that nothing in the training rows prepared the model for, by column.

        Args:
            frame: The rows.
            modality: Which columns.
            fitted: The fitted state.
            source: Of these rows.
        """
        return []

    def pictures(self, column: pd.Series, fitted: F) -> np.ndarray | None:
        """What people can see of a column's cells, uint8 `(rows, 96, 96, 1 | 3)`."""
        return None

    def upright(self, values: np.ndarray) -> np.ndarray:
        """A map over an input as `(rows, columns)`, turned as `pictures` shows such an input."""
        return values


class FileKind(Kind[S, F]):
    """A kind whose cells are files, by path, or arrays.

    Attributes:
        a_noun: The noun with its article.
        forms: What a user may give, in words.
        takes_bytes: Whether a cell may hold the bytes of a file.
        takes_folders: Whether a path may be that of a folder.
        one_each: What to do about several files in one cell.
    """

    a_noun: ClassVar[str]
    forms: ClassVar[str]
    takes_bytes: ClassVar[bool] = True
    takes_folders: ClassVar[bool] = False
    one_each: ClassVar[str] = "give each a column of its own"
    has_files = True

    @abstractmethod
    def array_problem(self, array: np.ndarray) -> str | None:
        """Why an array is not a cell of this kind, or None."""

    def as_array(self, value: Any) -> Any:
        """A cell that means an array as one; other cells as they are."""
        return value

    def read_cells(self, cells: pd.Series, folder: Path) -> tuple[pd.Series, list[Problem]]:
        return read_media(cells, self, folder)


class MediaKind(FileKind[S, M]):
    """A kind whose cells are decoded to numbers of one shape.

    Attributes:
        plural: What progress bars and files of decoded cells are called after.
        complaint: What is said of a cell that cannot be decoded.
        dtype: Of the decoded numbers.
    """

    plural: ClassVar[str]
    complaint: ClassVar[str]
    dtype: ClassVar[str]

    @abstractmethod
    def shape(self, settings: S) -> tuple[int, ...]:
        """The shape of a decoded cell."""

    @abstractmethod
    def decoding(self, settings: S) -> list[Any]:
        """Of the settings those that decoding depends on, as JSON can hold them."""

    def blank(self, settings: S) -> int:
        """The number that an empty cell is filled with."""
        return 0

    def decoder(self) -> str:
        """The libraries that decode, with their versions; "" where that is not recorded."""
        return ""

    @abstractmethod
    def encode(self, array: np.ndarray, settings: S) -> bytes:
        """From an array in a cell to bytes that `decode` reads."""

    @abstractmethod
    def decode(self, cell: bytes | str, settings: S) -> np.ndarray:
        """From the bytes or the path of a file to an array of `shape` and `dtype`.

        It is called from several threads at once. A path may be that of a member of a tar file:
        `mmkeras.data.media.plain_file` opens both.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It cannot be decoded; the message is the reason. OSErrors count as well.
        """

    def decode_measured(self, cell: bytes | str, settings: S) -> tuple[np.ndarray, float]:
        """As `decode`; and how long the cell is before it is cut, 0 where the kind cuts nothing."""
        return self.decode(cell, settings), 0.0

    def open_store(
        self, column, settings, *, fitted=None, cache=None, cache_dir=None
    ) -> MediaStore:
        # Imports TensorFlow, which tables without media need not wait for.
        from mmkeras.data.media.stores import MediaStore

        _warn_of_other_decoder(self.plural, getattr(fitted, "decoder", ""), self.decoder())
        return MediaStore(self, column, settings, cache, cache_dir)

    def decoded_bytes(self, column: pd.Series, settings: S) -> int:
        media = sum(max(1, len(media_of(cell))) for cell in column)
        return media * int(np.prod(self.shape(settings))) * np.dtype(self.dtype).itemsize

    def source(self, rows, modality, fitted, store) -> Source:
        from mmkeras.data.sources import MediaSource

        return MediaSource(store, rows.positions, fitted.input_maker())

    def raw_values(self, frame, modality, fitted, source) -> np.ndarray:
        return source.decoded

    def inputs_of(self, values, fitted, length) -> np.ndarray:
        from mmkeras.data.media.images.several import as_loaded

        make = fitted.input_maker()
        starts = range(0, len(values), _BATCH)
        parts = [make(as_loaded(values[start : start + _BATCH]), None) for start in starts]
        return np.concatenate([part.numpy() for part in parts])


@functools.cache
def _warn_of_other_decoder(plural: str, then: str, now: str) -> None:
    """Warns, once, of a model whose training cells were decoded by other libraries."""
    if then and then != now:
        warnings.warn(
            f"The preprocessing was fitted on {plural} decoded by {then}; these are decoded by "
            f"{now}. Numbers may differ a little: install the same versions for equal results.",
            stacklevel=2,
        )


def resized(pictures: np.ndarray) -> np.ndarray:
    """Pictures at the size that people are shown, uint8 `(rows, 96, 96, 1 | 3)`."""
    one = pictures.shape[-1] == 1
    images = (PIL.Image.fromarray(p[..., 0] if one else p) for p in pictures)
    alike = np.stack([np.asarray(image.resize((PICTURE_SIZE, PICTURE_SIZE))) for image in images])
    return alike[..., None] if one else alike

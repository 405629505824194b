"""A progress bar for anything that may take longer than two seconds, and silence on demand."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed inside: for notebooks, which show results only.

    >>> with quiet():
    ...     print("epoch 1/40")
    """
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def print_anything() -> None:
    """From now on printing never fails: a letter that the terminal lacks is printed as an escape.

    Python otherwise raises where the terminal is not of UTF-8 (cp1252 on Windows, `LC_ALL=C`),
    perhaps at the last line of a long run.
    """
    for stream in (sys.stdout, sys.stderr):
        # A notebook's streams, and those of `quiet`, hold any letter.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_bars = True


def no_bars() -> None:
    """From now on this process shows no progress: another one that does the same does."""
    global _bars
    _bars = False


class ProgressBar:
    """Prints `label 512/1609 (31 %)` to standard error, in place on a terminal.

    Quick work stays silent: nothing is printed in the first second. Where standard error is not
    a terminal (a log file), only the end is reported.

    Args:
        label: What is being done.
        total: How many units there are.

    Example:

    >>> with ProgressBar("decoding", 3) as progress:
    ...     for _ in range(3):
    ...         progress.add(1)
    """

    _QUIET_SECONDS = 1.0
    _SECONDS_BETWEEN_PRINTS = 0.1

    def __init__(self, label: str, total: int):
        self.label, self.total, self.done = label, total, 0

    def __enter__(self) -> ProgressBar:
        self._started = self._printed = time.monotonic()
        self._shown = False
        return self

    def add(self, count: int = 1) -> None:
        self.done += count
        now = time.monotonic()
        if (
            _bars
            and sys.stderr.isatty()
            and now - self._started >= self._QUIET_SECONDS
            and now - self._printed >= self._SECONDS_BETWEEN_PRINTS
        ):
            self._print("\r", "")
            self._printed, self._shown = now, True

    def __exit__(self, *exception) -> None:
        elapsed = time.monotonic() - self._started
        if _bars and (self._shown or elapsed >= self._QUIET_SECONDS):
            self._print("\r" if self._shown else "", f" in {elapsed:.1f} s\n")

    def _print(self, start: str, end: str) -> None:
        share = 100 * self.done // max(self.total, 1)
        text = f"{start}{self.label} {self.done:,}/{self.total:,} ({share} %){end}"
        print(text, end="", file=sys.stderr, flush=True)

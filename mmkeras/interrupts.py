"""Ctrl-C ends a script with the command that goes on from there.

Scripts import this module before all else. Until `run_script` begins, which is while TensorFlow
and the rest are being imported, Ctrl-C then ends the process at once: nothing has been begun.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

INTERRUPTED = 130  # the exit code that shells give to what Ctrl-C ended

_SCRIPTS = "experiments"  # the folder of what is a script
_resumed_by: list[tuple[list[str], Path | None]] = []


def resume_with(arguments: Sequence[str | Path], once: Path | None = None) -> None:
    """Says with which arguments this script goes on, once it was interrupted.

    Args:
        arguments: The whole command line, without the script.
        once: The file that must be there first; before, what was said earlier holds.
    """
    _resumed_by.append(([str(each) for each in arguments], once))


def resume_with_more(*arguments: str | Path) -> None:
    """The script goes on by the same command with these arguments besides: `--out FOLDER`."""
    resume_with([*sys.argv[1:], *arguments])


def resume_command() -> str:
    """The command that goes on; the same command where nothing else was said."""
    ready = [words for words, once in _resumed_by if once is None or once.exists()]
    return _command(ready[-1] if ready else sys.argv[1:])


def same_command() -> str:
    """The command that began this process."""
    return _command(sys.argv[1:])


def _command(arguments: Sequence[str]) -> str:
    """This script with some arguments, for a shell."""
    script = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    backend = os.environ.get("KERAS_BACKEND")
    setting = f"KERAS_BACKEND={backend} " if backend else ""
    return setting + shlex.join([*script, *arguments])


def end_at_once(number: int, frame: FrameType | None) -> None:
    """What Ctrl-C does while modules are being imported."""
    print(f"\ninterrupted before anything was begun; again: {same_command()}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def let_through() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, as Python does by default."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_script() -> bool:
    """Whether this process runs a script, not a notebook, a test or one of a script's workers."""
    from multiprocessing import parent_process

    file = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return Path(file).resolve().parent.name == _SCRIPTS and parent_process() is None


if _is_script() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end_at_once)

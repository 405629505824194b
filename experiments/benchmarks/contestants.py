"""Processes that take turns at training steps, so that a busy neighbour hits all of them alike."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence


def answer_turns(step: Callable[[], float], warm_up: int = 2) -> None:
    """Warms up, then answers each number of steps on standard input with their seconds.

    An answer is a list of `[seconds, processor's seconds]`, one pair for each step, as JSON.
    """
    for _ in range(warm_up):
        step()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        taken = []
        for _ in range(int(line)):
            started, used = time.perf_counter(), time.process_time()
            loss = step()
            taken.append((time.perf_counter() - started, time.process_time() - used))
        if not math.isfinite(loss):
            raise ValueError(f"The loss became {loss}.")
        print(json.dumps(taken), flush=True)


class Contestant:
    """The process of one contestant, which calls `answer_turns`, seen from outside.

    Args:
        name: For people.
        command: Starts it.
        environment: Variables that differ from this process' own.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]):
        self.name = name
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def turn(self, steps: int) -> list[tuple[float, float]]:
        """Seconds, and the processor's seconds, of each of this many steps."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"The process of {self.name} ended with exit code {self._process.wait()}; its "
                "error is printed above. -9 means that memory ran out: lower --batch-size."
            )
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

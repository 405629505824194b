"""Processes that take turns at training steps, so that a busy neighbour hits all of them alike."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence


def check_weights(contestants: Sequence[Contestant]) -> None:
    """Ends the program unless all train as many numbers: the models are the same."""
    counts = {contestant.name: contestant.weights for contestant in contestants}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"error: the models differ, by their numbers of weights: {counts}")


def answer_turns(step: Callable[[], float], weights: int) -> None:
    """Warms up, says how many weights are trained, then answers numbers of steps with seconds.

    The numbers come line by line on standard input. An answer is a list of `[seconds, processor's
    seconds]`, one pair for each step, as JSON.
    """
    for _ in range(2):
        step()
    print(json.dumps(weights), flush=True)
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

    Attributes:
        weights: How many numbers it trains.
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
        self.weights: int = self._answer()

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

"""The one way to run many models: jobs in processes of their own, on this machine or a cluster.

A job is a function and its arguments, both picklable, as is its result: nothing here knows what a
model is, and nothing of a job knows where it runs. `use_engine` says where; without it, processes
of this machine.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkeras.progress import print_anything

if TYPE_CHECKING:
    from mmkeras.studies.ray_jobs import RayEngine, RayWorkers

# How long a process has to end by itself once it was asked to.
_SECONDS_TO_END = 10


@dataclass(frozen=True)
class Job:
    """A function call that a process of its own makes.

    Args:
        name: What messages call it.
        function: Found by its module's name, so not a lambda or an inner function.
        arguments: What it is called with; picklable.
        folder: The folder that it writes to, and goes on in where it was interrupted.
        shared: Files and folders of the experiment that it needs besides, or writes where they are
            not there.
        travels: Whether a machine that does not see `folder` may get it, and send it back. Not if
            jobs talk to each other by its files.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    folder: Path | None = None
    shared: tuple[Path, ...] = ()
    travels: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        job: The job.
        result: What its function returned.
        error: The exception that it raised, or a `JobDied`; `None` if all went well.
        seconds: How long it took.
    """

    job: Job
    result: Any = None
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """Why the job failed, in one line."""
        if isinstance(self.error, JobDied):
            return str(self.error)
        return " ".join(f"{type(self.error).__name__}: {self.error}".split())


class JobDied(RuntimeError):
    """A job's process ended before the job did."""


class JobsMissing(RuntimeError):
    """Some jobs have no result; the message names them and says why."""


class Workers:
    """Runs jobs in spawned processes; the death of one leaves the others alone.

    A process does one job unless told otherwise: whatever a job leaves behind, in memory too, ends
    with it. Leaving the `with` block ends the processes that are still running, and so does
    the death of this process.

    Args:
        count: Jobs at a time. With 0 they run in this process, one after the other.
        jobs_per_process: Jobs that a process does before a new one takes over.
        environment: Environment variables of the processes, in addition to this one's.

    Example:

    ```python
    with Workers(2) as workers:
        workers.start(Job("a", train, (settings,)))
        outcome = workers.wait()
    ```
    """

    def __init__(
        self,
        count: int = 1,
        *,
        jobs_per_process: int = 1,
        environment: Mapping[str, str] | None = None,
    ):
        if count < 0:
            raise ValueError(f"`workers` must be 0 or more. Received: {count}.")
        self._room, self._in_processes = max(count, 1), count > 0
        self._jobs_per_process, self._environment = jobs_per_process, dict(environment or {})
        self._running: list[tuple[Job, _Worker | None, float]] = []
        self._idle: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        workers = [worker for _, worker, _ in self._running if worker is not None] + self._idle
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()
        self._running, self._idle = [], []

    @property
    def running(self) -> int:
        """How many jobs were started and not waited for."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether another job can be started now."""
        return self.running < self._room

    def start(self, job: Job) -> None:
        """Starts a job; with 0 workers it runs in `wait`."""
        worker = None
        if self._in_processes:
            worker = self._idle.pop() if self._idle else _Worker(self._environment)
            worker.start(job)
        self._running.append((job, worker, time.monotonic()))

    def wait(self) -> Outcome:
        """How the next job ended, whichever ends first."""
        if not self._in_processes:
            job, _, started = self._running.pop(0)
            answer = call_job(job)
        else:
            place = self._next_ended()
            job, worker, started = self._running.pop(place)
            answer = worker.receive()
            worker.jobs += 1
            if isinstance(answer[1], JobDied) or worker.jobs >= self._jobs_per_process:
                worker.end()
            else:
                self._idle.append(worker)
        return Outcome(job, *answer, time.monotonic() - started)

    def _next_ended(self) -> int:
        # The process itself too: a process that it started may keep the connection open.
        places = {}
        for place, (_, worker, _) in enumerate(self._running):
            places |= {worker.connection: place, worker.process.sentinel: place}
        return places[wait(list(places))[0]]


_engine: ContextVar[RayEngine | None] = ContextVar("engine", default=None)


@contextlib.contextmanager
def use_engine(engine: RayEngine | None) -> Iterator[None]:
    """Where the jobs run that are started in the `with` block; `None` is for this machine.

    Example:

    ```python
    with use_engine(RayEngine("ray://head:10001", gpus=1)):
        compare_fusion(config)
    ```
    """
    before = _engine.set(engine)
    try:
        yield
    finally:
        _engine.reset(before)


def set_engine(engine: RayEngine | None) -> None:
    """As `use_engine`, from now on."""
    _engine.set(engine)


def used_engine() -> RayEngine | None:
    """Where jobs run now; `None` is this machine."""
    return _engine.get()


def open_workers(
    count: int,
    *,
    queue: bool = False,
    jobs_per_process: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Workers | RayWorkers:
    """Workers of the engine that is in use, for a `with` block.

    Args:
        count, jobs_per_process, environment: As for `Workers`. A cluster has one process a job.
        queue: Whether a cluster may get more than `count` jobs: all that it has room for.
    """
    used = used_engine()
    if used is None:
        return Workers(count, jobs_per_process=jobs_per_process, environment=environment)
    from mmkeras.studies.ray_jobs import RayWorkers

    return RayWorkers(used, None if queue else count, environment)


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    jobs_per_process: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Outcome]:
    """Runs jobs, each in a process of its own; yields how they ended, as they end.

    A line is printed for each. Whatever happens to one job, the others run.

    Args:
        jobs: What to do; started in this order.
        workers, jobs_per_process, environment: As for `Workers`.
    """
    waiting = deque(jobs)
    how = {"jobs_per_process": jobs_per_process, "environment": environment}
    with open_workers(workers, queue=True, **how) as processes:
        for done in range(1, len(jobs) + 1):
            while waiting and processes.has_room:
                processes.start(waiting.popleft())
            outcome = processes.wait()
            says = "done" if outcome.error is None else f"FAILED, {outcome.reason}"
            print(
                f"job {done}/{len(jobs)}: {outcome.job.name} {says} ({outcome.seconds:.0f} s)",
                flush=True,
            )
            yield outcome


def run_job(job: Job, *, workers: int = 1) -> Any:
    """The result of a single job, in a process of its own; with 0 workers in this one.

    Raises:
        Exception: What the job raised.
        JobDied: Its process was killed.
    """
    with Workers(min(workers, 1)) as processes:
        processes.start(job)
        outcome = processes.wait()
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


def refuse_missing(failed: Sequence[Outcome], total: int) -> None:
    """Called when all jobs have ended and what there is has been written.

    Args:
        failed: The jobs without a result.
        total: How many jobs there were.

    Raises:
        JobsMissing: There are any.
    """
    if failed:
        lines = "".join(f"\n- {outcome.job.name}: {outcome.reason}" for outcome in failed)
        raise JobsMissing(
            f"{len(failed)} of {total} jobs are missing:{lines}\n"
            "Run the same command on the same folder again: it does only what is missing."
        )


class _Worker:
    """A spawned process that does one job after the other."""

    def __init__(self, environment: Mapping[str, str]):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs,))
        self.jobs = 0
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            with _deaf_to_ctrl_c():
                self.process.start()
        finally:
            for name in environment:
                del os.environ[name]
            os.environ.update({name: before[name] for name in environment if name in before})
        theirs.close()

    def start(self, job: Job) -> None:
        # The process may have died while it was idle, which `receive` finds out.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send((job.function, job.arguments))

    def receive(self) -> tuple[Any, Exception | None]:
        try:
            if self.connection.poll():
                return self.connection.recv()
        except (EOFError, ConnectionResetError):
            pass
        self.process.join()
        return None, JobDied(_cause_of_death(self.process.exitcode))

    def end(self) -> None:
        self.connection.close()
        self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here inherit that Ctrl-C does not reach them.

    It goes to every process of a terminal. Only the first is to act on it: it ends the others.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Python's own helper, begun with the first process, would let Ctrl-C through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection) -> None:
    """A worker's whole life."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print_anything()
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:  # nothing more to do
            return
        answer = _call(_unpickle_and_call, data)
        try:
            connection.send(answer)
        except Exception as error:  # the result cannot be pickled
            connection.send((None, _picklable(error)))


def _end_with_parent() -> None:
    """Ends this process when the one that started it has ended, however that happened.

    A killed parent cannot end its processes. Left alone they would train on, into folders that the
    same command, called again, writes to as well.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])  # readable once the parent is gone; on Windows its handle
        # Not `sys.exit`, which would end this thread only.
        os._exit(1)


def _unpickle_and_call(data: bytes) -> Any:
    function, arguments = pickle.loads(data)
    return function(*arguments)


def call_job(job: Job) -> tuple[Any, Exception | None]:
    """What its function returns, in this process, or the exception that it raises."""
    return _call(job.function, *job.arguments)


def _call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    try:
        return function(*arguments), None
    except Exception as error:  # whatever it is, it is this job's result
        # A user's mistake is one line.
        if not isinstance(error, (ValueError, OSError)) or "MMKERAS_TRACEBACK" in os.environ:
            traceback.print_exc()
        return None, _picklable(error)


def _picklable(error: Exception) -> Exception:
    """The exception itself, or one with its message where it does not survive pickling."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    except Exception:  # the constructor of an exception may want anything
        traceback.print_exc()
    return RuntimeError(f"{type(error).__name__}: {error}")


def _cause_of_death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else "unknown"
    probably = ", probably because memory ran out" if name == "SIGKILL" else ""
    return f"its process was killed by signal {number} ({name}){probably}"

"""Jobs on the machines of a Ray cluster, or on this one through Ray.

A job is a task of its own, in a process that ends with it. Ray looks where there is room, and does
a job again whose machine was lost. Machines that see the experiment's folder, a shared one, work in
it; to and from others the job's own folder travels through Ray's object store.
"""

from __future__ import annotations

import io
import math
import os
import platform
import shutil
import time
import uuid
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmkeras
from mmkeras.experiment.folders import LOCK, OWNER
from mmkeras.files import write_bytes, write_text
from mmkeras.progress import print_anything
from mmkeras.studies.jobs import Job, JobDied, Outcome, call_job

# What decides how a job computes, beside its arguments.
_PREFIXES = ("KERAS_", "MMKERAS_", "TF_", "XLA_", "JAX_", "OMP_", "NPROC", "CUDA_DEVICE_ORDER")
_TOKEN = ".seen-by-driver"
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class RayEngine:
    """Where and with what jobs run.

    Args:
        address: Of a running cluster, as `ray.init` takes it: `"auto"` for the one that this
            machine belongs to, `"ray://HOST:10001"` for one elsewhere. Empty starts Ray on this
            machine, for as long as the jobs run.
        cpus: Cores that a job asks for. How many jobs run at a time follows from it.
        gpus: GPUs that a job asks for, also a part of one. A job that asks for none sees none.
        memory: GB that a job asks for; 0 asks for none in particular.
        retries: How often a job is done again whose machine or process was lost.
        travel: Whether jobs' folders travel although the machines may see them.

    Raises:
        ValueError: A number is negative, or `cpus` is 0.
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    memory: float = 0.0
    retries: int = 3
    travel: bool = False

    def __post_init__(self):
        for name in ("cpus", "gpus", "memory", "retries"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "cpus" and value == 0):
                raise ValueError(f"A job's `{name}` cannot be {value}.")

    @property
    def resources(self) -> dict[str, Any]:
        """What `ray.remote` is told of a job."""
        asked = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": self.retries}
        return {**asked, "memory": int(self.memory * 2**30)} if self.memory else asked


class RayWorkers:
    """Runs jobs on a Ray cluster; to be used as `mmkeras.studies.jobs.Workers` is.

    Args:
        engine: Where.
        count: Jobs at a time, `None` for as many as there is room for.
        environment: Environment variables of the jobs, in addition to this process'.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: There is no cluster at the address.
    """

    def __init__(
        self,
        engine: RayEngine,
        count: int | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        self._engine, self._most = engine, math.inf if count is None else max(1, count)
        self._environment = dict(environment or {})
        self._running: dict[Any, Job] = {}
        self._tokens: dict[Path, str] = {}
        self._started_ray = False

    def __enter__(self) -> RayWorkers:
        ray = _ray()
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            options: dict[str, Any] = {"address": self._engine.address or "local"}
            if not self._engine.address:
                options["include_dashboard"] = False
            try:
                ray.init(logging_level="ERROR", **options)
            except (ConnectionError, ValueError) as error:
                where = self._engine.address or "this machine"
                raise ConnectionError(f"Ray does not answer at {where}: {error}") from error
        return self

    def __exit__(self, *exception: object) -> None:
        ray = _ray()
        for reference in self._running:
            ray.cancel(reference, force=True)
        self._running = {}
        for folder in self._tokens:
            (folder / _TOKEN).unlink(missing_ok=True)
        if self._started_ray:
            ray.shutdown()

    @property
    def running(self) -> int:
        """How many jobs were started and not waited for."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether another job can be started now; what Ray has no room for waits there."""
        return self.running < self._most

    def start(self, job: Job) -> None:
        """Hands a job to Ray."""
        ray = _ray()
        task = ray.remote(max_calls=1, **self._engine.resources)(_work)
        environment = {**_of_this_process(), **self._environment}
        remote = task.options(name=job.name, runtime_env={"env_vars": environment})
        # Ray that runs on this machine alone sees what this process does.
        here = self._started_ray and not self._engine.address and not self._engine.travel
        travels = job.travels and not here
        place = _Place(str(Path.cwd()), *self._seen(job), travels)
        # Packed once, whether or not the machine, which Ray chooses later, will need it.
        sent = b"" if job.folder is None or not travels else pack((job.folder, *job.shared))
        self._running[remote.remote(place, job, sent, mmkeras.__version__)] = job

    def wait(self) -> Outcome:
        """How the next job ended, whichever ends first."""
        ray = _ray()
        (reference,), _ = ray.wait(list(self._running), num_returns=1)
        job = self._running.pop(reference)
        try:
            (result, error), seconds, brought = ray.get(reference)
        except ray.exceptions.RayError as lost:
            return Outcome(job, error=JobDied(f"Ray lost it: {_line_of(lost, ray)}"))
        if brought is not None and job.folder is not None:
            unpack(brought, [job.folder, *job.shared])
        return Outcome(job, result, error, seconds)

    def _seen(self, job: Job) -> tuple[Path | None, str]:
        """The folder by whose token a machine knows that it sees what this one does."""
        if job.folder is None:
            return None, ""
        folder = job.folder.resolve()
        if self._engine.travel and job.travels:
            return folder, ""
        while not folder.exists():
            folder = folder.parent
        if folder not in self._tokens:
            self._tokens[folder] = uuid.uuid4().hex
            write_text(folder / _TOKEN, self._tokens[folder])
        return folder, self._tokens[folder]


@dataclass(frozen=True)
class _Place:
    """Where the driver is, and how a machine tells whether it sees the same folder.

    Args:
        working_folder: The driver's, which paths may be relative to.
        folder: Which holds the token; `None` where the job has no folder.
        token: Empty if the job's folder travels in any case.
        travels: Whether it may.
    """

    working_folder: str
    folder: Path | None
    token: str
    travels: bool

    def is_seen(self) -> bool:
        """Whether this machine sees the driver's folder."""
        if self.folder is None:
            return True
        token = self.folder / _TOKEN
        return bool(self.token) and token.is_file() and token.read_text() == self.token


def _work(
    place: _Place, job: Job, sent: bytes, version: str
) -> tuple[tuple[Any, Exception | None], float, bytes | None]:
    """A job's whole life on a machine of the cluster: its answer, seconds, and files."""
    began = time.monotonic()
    print_anything()

    def refused(why: str) -> tuple[tuple[None, Exception], float, None]:
        return (None, ValueError(why)), time.monotonic() - began, None

    if mmkeras.__version__ != version:
        return refused(
            f"{platform.node()} has mmkeras {mmkeras.__version__}, and the experiment was "
            f"started with {version}. Install the same version there."
        )
    Path(place.working_folder).mkdir(parents=True, exist_ok=True)
    os.chdir(place.working_folder)
    seen = place.is_seen()
    if not seen and not place.travels:
        return refused(
            f"{platform.node()} does not see {job.folder}, which these jobs share. Give an "
            "--out on a folder that all machines of the cluster have."
        )
    if not seen and job.folder is not None:
        unpack(sent, [job.folder, *job.shared])
    answer = call_job(job)
    brought = None
    if not seen and job.folder is not None:
        brought = pack((job.folder, *job.shared), known=_names(sent, outside=job.folder))
        shutil.rmtree(job.folder, ignore_errors=True)
        if len(brought) > _MOST_BYTES:
            return refused(
                f"What {job.name} wrote, {len(brought) / 2**30:.1f} GB, is too large to travel. "
                "Give an --out on a folder that all machines of the cluster have."
            )
    return answer, time.monotonic() - began, brought


def pack(paths: Sequence[Path], known: Collection[str] = ()) -> bytes:
    """Folders and files with all that is in them, as one ZIP file; what is not there is left out.

    Names in it are the paths as they are given: the other side has the same working folder.

    Args:
        paths: The folders and files.
        known: Names that are left out.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in paths:
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in inside:
                is_own = file.is_file() and file.name not in (LOCK, OWNER, _TOKEN)
                if is_own and str(file) not in known:
                    archive.writestr(str(file), file.read_bytes())
    return packed.getvalue()


def _names(packed: bytes, outside: Path) -> list[str]:
    """The files of `pack` that are not in a folder."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return [name for name in archive.namelist() if not Path(name).is_relative_to(outside)]


def unpack(packed: bytes, into: Sequence[Path]) -> None:
    """Writes the files of `pack` where they were.

    Raises:
        ValueError: One of them is not in these folders.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            path = Path(name)
            if ".." in path.parts or not any(path.is_relative_to(folder) for folder in into):
                raise ValueError(f"{name} was to be written outside of {', '.join(map(str, into))}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, archive.read(name))


def _line_of(lost: Exception, ray: Any) -> str:
    """What happened, in a line: of an error in a task the last one of its traceback."""
    lines = [line for line in str(lost).splitlines() if line.strip()] or [type(lost).__name__]
    return lines[-1 if isinstance(lost, ray.exceptions.RayTaskError) else 0].strip()


def _of_this_process() -> dict[str, str]:
    """Environment variables that decide how a job computes."""
    chosen = {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES)}
    # Ray would set it to a job's cores, and other numbers of threads give other last digits.
    chosen.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    if data := chosen.get("MMKERAS_DATA"):
        chosen["MMKERAS_DATA"] = str(Path(data).resolve())
    return chosen


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            'Ray is not installed: pip install "mmkeras[ray]" on every machine of the cluster.'
        ) from error
    return ray

"""What jobs of `test_ray_jobs.py` do; their processes import this, and nothing heavy."""

import os
import signal
import time


def write_square(folder, number, needed=None):
    """Leaves a file that a second call finds, and what was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    given = int(needed.read_text()) if needed is not None else 0
    calls = len(list(folder.glob("call*")))
    (folder / f"call{calls}").write_text(str(number**2 + given))
    return os.environ.get("KERAS_BACKEND"), calls, number**2 + given


def refuse(number):
    raise ValueError(f"no {number}")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def note_start_and_wait(folder, number):
    """Says where it runs, and takes a while."""
    import ray

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{time.time_ns()}").write_text(ray.get_runtime_context().get_node_id())
    time.sleep(6)
    return number

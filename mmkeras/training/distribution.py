"""One training on several devices: of this process, or of several processes and machines.

Every device computes a part of each batch, and their gradients are added up, so that a training on
several devices is the same training on one, but for the last digits of sums. On JAX the devices may
belong to several processes (`keras.distribution`); on TensorFlow they are this process's
(`tf.distribute.MirroredStrategy`).

The model that trains is a copy whose variables every device has. What is around a training, such
as predictions and reports, knows nothing of devices: it has the model itself, on one of them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np

from mmkeras.data.share import WHOLE, Share
from mmkeras.training.seeds import same_draws

Value = TypeVar("Value")

BATCH = "batch"
_HOST_DEVICES = "--xla_force_host_platform_device_count"
_SECONDS = 20  # of one wait for the first process, before it is asked again
# Words of the errors that JAX raises when another process of a computation is gone.
_LOST = ("Gloo", "NCCL", "UNAVAILABLE", "coordination service", "heartbeat")
_used: list[Devices] = []
_said = itertools.count()


class ProcessLost(RuntimeError):
    """Another process of the training is gone, and this one cannot go on without it."""


@dataclass(frozen=True)
class Devices:
    """What a training computes on. `use_devices` makes it.

    Args:
        count: How many devices each process has.
        process: This process's number, from 0.
        processes: How many processes there are.
    """

    count: int = 1
    process: int = 0
    processes: int = 1

    @property
    def all(self) -> int:
        """How many devices there are together."""
        return self.count * self.processes

    @property
    def share(self) -> Share:
        """What this process makes of each batch."""
        return Share(self.process, self.processes, self.all)

    @property
    def shares_batches(self) -> bool:
        """Whether this process makes its own part of each batch; TensorFlow divides whole ones."""
        return keras.backend.backend() == "jax"

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Inside, variables are made on all devices, and `fit` trains on all."""
        if keras.backend.backend() == "tensorflow":
            with _strategy(self.count).scope():
                yield
            return
        from keras.src.backend.jax import trainer

        distribution = _data_parallel(self)
        # Keras asks for a layout once and takes it for all batches; an epoch's last batch may have
        # one of its own.
        before, trainer.JAXEpochIterator = trainer.JAXEpochIterator, _iterator(distribution)
        try:
            with distribution.scope():
                yield
        finally:
            trainer.JAXEpochIterator = before


def use_devices(
    count: int | None = None,
    *,
    processes: int | str = 1,
    process: int | None = None,
    coordinator: str | None = None,
) -> Devices:
    """Lets trainings from now on compute on several devices. Call it before anything is computed.

    Where a machine has fewer accelerators than are asked for, the processor counts as so many
    devices, which makes nothing faster, and tries what will run elsewhere.

    Args:
        count: Devices of each process; by default all accelerators that it sees, or 1.
        processes: How many processes train together, on JAX; `"auto"` where Slurm, Open MPI or
            Kubernetes has started them and says so.
        process: The number of this one, from 0.
        coordinator: The address of the first process, `HOST:PORT`, the same in all of them.

    Raises:
        ValueError: The backend cannot do that, something has been computed already, or there are
            fewer devices.

    Example:

    ```python
    use_devices(2)
    fit(model, train, validation, settings, seed=0)  # or train_run(...)
    ```
    """
    backend = keras.backend.backend()
    if count is not None and count < 1:
        raise ValueError(f"`count` must be at least 1. Received: {count}.")
    if backend not in ("jax", "tensorflow"):
        raise ValueError(f"Trainings on several devices need JAX or TensorFlow, not {backend}.")
    if processes == "auto" or processes != 1:
        if backend != "jax":
            raise ValueError(
                "Several processes train together on JAX only: set KERAS_BACKEND=jax. On "
                "TensorFlow, one process may have several devices."
            )
        return _set(_with_others(count, processes, process, coordinator))
    if process is not None or coordinator is not None:
        raise ValueError(
            "`process` and `coordinator` are for several processes: say how many there are, too "
            "(`processes`)."
        )
    found = _jax_devices(count) if backend == "jax" else _tensorflow_devices(count)
    return _set(Devices(found))


def together() -> Devices | None:
    """The devices in use, if several processes train on them together; otherwise `None`."""
    return _used[-1] if _used and _used[-1].processes > 1 else None


def used_devices() -> Devices | None:
    """What `use_devices` said; `None` for one device."""
    return _used[-1] if _used else None


def on_one_device() -> None:
    """Takes `use_devices` back, for trainings in this process that come later."""
    _used.clear()


def device_count() -> int:
    """How many devices a training computes on."""
    return _used[-1].all if _used else 1


def leads() -> bool:
    """Whether this process is the only one or the first: the one that writes."""
    return not _used or _used[-1].process == 0


def agreed(value: Value | None = None) -> Value:
    """What the first process says, in all of them: the others wait until it says so.

    Args:
        value: What JSON can hold. Only the first process's counts.

    Raises:
        ProcessLost: The first process is gone.
    """
    devices = together()
    if devices is None:
        return value  # type: ignore[return-value]
    from jax._src import distributed

    client: Any = distributed.global_state.client
    key = f"mmkeras/{next(_said)}"
    if devices.process == 0:
        client.key_value_set(key, json.dumps(value))
        return value  # type: ignore[return-value]
    while True:
        with process_lost("the first process"):
            try:
                return json.loads(client.blocking_key_value_get(key, 1000 * _SECONDS))
            except Exception as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise


def all_here(minutes: float = 60.0) -> None:
    """Waits until all processes have come as far.

    Raises:
        ProcessLost: One is gone, or has not come in time.
    """
    if together() is None:
        return
    from jax._src import distributed

    client: Any = distributed.global_state.client
    with process_lost():
        client.wait_at_barrier(f"mmkeras/{next(_said)}", int(60_000 * minutes))


class InStep(keras.callbacks.Callback):
    """At the end of an epoch, all processes have the first one's values and variables.

    An epoch's last batch that no device can have a part of is computed by each device alone, and
    an accelerator's last digits may vary. Comes before all that decides by an epoch's values.
    """

    def on_epoch_end(self, epoch, logs=None):
        if together() is None:
            return
        logs.update(agreed({name: float(value) for name, value in logs.items()}))
        variables = [*self.model.variables, *self.model.optimizer.variables]
        of_first = _of_first_process([keras.ops.convert_to_numpy(each.value) for each in variables])
        for variable, value in zip(variables, of_first, strict=True):
            variable.assign(_on_all(value, variable.value))


class StopTogether(keras.callbacks.Callback):
    """Training ends in all processes when it ends in the first. Comes last."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = agreed(bool(self.model.stop_training))


def _of_first_process(values: list[np.ndarray]) -> list[np.ndarray]:
    from jax.experimental import multihost_utils

    with process_lost():
        return [np.asarray(each) for each in multihost_utils.broadcast_one_to_all(values)]


def _on_all(value: np.ndarray, like: Any) -> Any:
    """A value that all processes have, as an array of all of them."""
    import jax

    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: value[index])


def check_batches(batch_size: int) -> None:
    """Refuses a batch size that the devices in use cannot divide.

    Raises:
        ValueError: They cannot.
    """
    if (devices := used_devices()) is not None:
        devices.share.check(batch_size)


def check_last_batch(rows: int, batch_size: int) -> None:
    """Refuses rows whose last batch would leave a device of TensorFlow without any.

    Raises:
        ValueError: It would: figures of no rows are not numbers.
    """
    devices = used_devices()
    if devices is None or devices.shares_batches or not (last := rows % batch_size):
        return
    if -(-last // devices.count) * (devices.count - 1) >= last:
        raise ValueError(
            f"The last batch of {rows:,} rows has {last}, too few for {devices.count} devices of "
            f"TensorFlow. Give another batch_size than {batch_size}, or set KERAS_BACKEND=jax."
        )


@contextlib.contextmanager
def process_lost(who: str = "another process") -> Iterator[None]:
    """Says in words what JAX's errors mean where several processes train together."""
    devices = together()
    if devices is None:
        yield
        return
    try:
        yield
    except (RuntimeError, ValueError) as error:
        # Of a computation that another process left, JAX raises either, with these words.
        first = next(iter(str(error).splitlines()), "")[:200]
        if not any(words in str(error) for words in _LOST):
            raise
        raise ProcessLost(
            f"process {devices.process} of {devices.processes} cannot go on: {who} of this "
            "training has ended or cannot be reached. Start all of them again with the same "
            f"command: the training goes on from its last epoch. ({first})"
        ) from error


@contextlib.contextmanager
def on_devices(model: keras.Model) -> Iterator[keras.Model]:
    """The model to train: itself, or on several devices a copy.

    At the end, the model has the copy's variables.
    """
    devices = used_devices()
    if devices is None:
        yield model
        return
    with process_lost(), devices.scope():
        with same_draws():  # what is made around the model draws what it would around itself
            copy = model.__class__.from_config(model.get_config())
        copy_variables(model, copy)
        yield copy
    copy_variables(copy, model)


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Gives a model the values of all variables of another of the same structure."""
    for variable, other in zip(target.variables, source.variables, strict=True):
        variable.assign(keras.ops.convert_to_numpy(other.value))


@contextlib.contextmanager
def off_devices() -> Iterator[None]:
    """Inside a training on several devices: what is made and computed here, one device has."""
    if keras.backend.backend() != "jax" or not _used:
        yield
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def _set(devices: Devices) -> Devices:
    _used[:] = [devices] if devices.all > 1 else []
    return devices


def _jax_devices(count: int | None) -> int:
    import jax

    if count is not None:
        _set_host_devices(count)
    local = jax.local_devices()
    if count is not None and len(local) < count:
        raise ValueError(
            f"{count} devices are asked for, and there are {len(local)} ({local[0].platform}). "
            "Call use_devices before anything is computed; of accelerators there may be fewer."
        )
    return count or (1 if local[0].platform == "cpu" else len(local))


def _set_host_devices(count: int) -> None:
    """The processor counts as so many devices, where no accelerator is found."""
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if not f.startswith(_HOST_DEVICES)]
    os.environ["XLA_FLAGS"] = " ".join([*flags, f"{_HOST_DEVICES}={count}"])


def _with_others(
    count: int | None, processes: int | str, process: int | None, coordinator: str | None
) -> Devices:
    """Meets the other processes."""
    import jax

    if processes == "auto":
        if process is not None or coordinator is not None:
            raise ValueError(
                "processes='auto' finds the number of this process and the address of the first "
                "one itself. Leave them out."
            )
        given: dict[str, Any] = {}
    else:
        if process is None or coordinator is None or not isinstance(processes, int):
            raise ValueError(
                "Of several processes each says which it is and where the first one is: "
                "processes=2, process=0, coordinator='HOST:PORT'."
            )
        Share(process, processes, processes)  # refuses others
        given = {
            "coordinator_address": coordinator,
            "num_processes": processes,
            "process_id": process,
        }
    _set_host_devices(count or 1)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**given)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"The processes do not find each other: {error}") from error
    local, every = jax.local_device_count(), jax.device_count()
    if count is None and every != local * jax.process_count():
        raise ValueError(
            f"Every process needs as many devices as the others. This one has {local}, and all "
            f"{jax.process_count()} have {every}. Say how many each may use (`count`)."
        )
    if count is not None and local < count:
        raise ValueError(f"{count} devices are asked for, and this process has {local}.")
    return Devices(count or local, jax.process_index(), jax.process_count())


def _tensorflow_devices(count: int | None) -> int:
    import tensorflow as tf

    found = len(tf.config.list_physical_devices("GPU"))
    if count is None:
        return max(found, 1)
    if found < count:
        processor = tf.config.list_physical_devices("CPU")[0]
        try:
            tf.config.set_logical_device_configuration(
                processor, [tf.config.LogicalDeviceConfiguration()] * count
            )
        except RuntimeError:
            if len(tf.config.list_logical_devices("CPU")) < count:
                raise ValueError(
                    "TensorFlow has begun to compute, so that its devices cannot be changed any "
                    "more. Call use_devices first."
                ) from None
    return count


@functools.cache
def _strategy(count: int) -> Any:
    import tensorflow as tf

    kind = "GPU" if len(tf.config.list_logical_devices("GPU")) >= count else "CPU"
    return tf.distribute.MirroredStrategy([f"/device:{kind}:{place}" for place in range(count)])


def _data_parallel(devices: Devices) -> keras.distribution.DataParallel:
    """Every device has all variables, and a part of each batch."""
    import jax

    own: dict[int, list[Any]] = {}
    for device in jax.devices():
        own.setdefault(device.process_index, []).append(device)
    chosen = [each for process in sorted(own) for each in own[process][: devices.count]]
    mesh = keras.distribution.DeviceMesh((len(chosen),), [BATCH], chosen)
    return keras.distribution.DataParallel(device_mesh=mesh, auto_shard_dataset=False)


def _iterator(distribution: keras.distribution.DataParallel) -> type:
    """Keras' batches of an epoch, each on all devices: divided, or where that cannot be, whole."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec
    from keras.src.backend.jax.trainer import JAXEpochIterator

    mesh = distribution.device_mesh.backend_mesh
    divided, whole = NamedSharding(mesh, PartitionSpec(BATCH)), NamedSharding(mesh, PartitionSpec())

    class Batches(JAXEpochIterator):
        def _get_distributed_iterator(self, distribution):
            for inputs, *rest in self.data_adapter.get_jax_iterator():
                inputs = dict(inputs)
                layout = whole if inputs.pop(WHOLE) else divided
                yield jax.tree_util.tree_map(
                    lambda part, layout=layout: jax.make_array_from_process_local_data(
                        layout, np.asarray(part)
                    ),
                    (inputs, *rest),
                )

    return Batches

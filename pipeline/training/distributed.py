"""Train on several devices and machines by data parallelism: Keras's `DataParallel` on JAX.

Each device computes the gradient on its shard of each batch, and all devices apply the mean gradient. The result is
that of one device except for the order of additions, so it is not equal bit for bit, and where training amplifies
rounding errors, as at a high learning rate, the curves diverge after some epochs. Each machine runs one process with
its own copy of the project and of data/; process 0, the coordinator, writes the results and broadcasts its checkpoint.
"""

import atexit
import io
import os
import socket
import sys
from typing import Any

import numpy as np

from pipeline.models.backend import keras
from pipeline.training.batches import ShuffledBatches
from pipeline.workflow import safe_pickle
from pipeline.workflow.logging import suppress_output

CONNECT_TIMEOUT_S = int(
    os.environ.get("PIPELINE_CONNECT_TIMEOUT_S", "300")
)  # until all processes have connected
DURATION_SETTINGS = ("epochs", "early_stopping_patience", "resume", "finish")
HEARTBEAT_TIMEOUT_S = 10  # after which a process without a heartbeat counts as lost


class SingleProcess:
    """Train on the default device of this process; the interface of all strategies.

    Attributes:
        is_coordinator: Whether this process writes the results.
        callbacks: Callbacks that `fit` needs with this strategy.
    """

    is_coordinator = True
    callbacks: tuple[keras.callbacks.Callback, ...] = ()

    def distribute(self, batches: ShuffledBatches) -> ShuffledBatches:
        """Return this process's shard of each batch, and place models built from now on on all devices."""
        return batches

    def broadcast(self, value: Any) -> Any:
        """Return the coordinator's value, plain data, in each process."""
        return value

    def shutdown(self) -> None:
        """Disconnect from the other processes after the training."""


class DataParallelCluster(SingleProcess):
    """Train on all devices of one or several processes, which must have equal numbers of devices.

    Create it before any computation on JAX.

    Args:
        coordinator: Address of process 0, host:port.
        num_processes: Number of processes.
        process_id: Number of this process, from 0.

    Raises:
        ValueError: If the port is in use or the numbers of devices differ.
    """

    def __init__(self, coordinator: str, num_processes: int, process_id: int):
        import jax

        self.num_processes, self.process_id = num_processes, process_id
        self.is_coordinator = process_id == 0
        if num_processes > 1:
            self._connect(coordinator)
        devices, self.n_devices = jax.local_devices(), jax.device_count()
        if len(devices) * num_processes != self.n_devices:
            raise ValueError(
                f"process {process_id} has {len(devices)} of {self.n_devices} devices, but all {num_processes} "
                "processes must have equal numbers. Select the GPUs of a process with CUDA_VISIBLE_DEVICES."
            )
        kinds = ", ".join(device.device_kind for device in devices)
        print(
            f"  process {process_id} of {num_processes} uses {len(devices)} of {self.n_devices} devices: {kinds}",
            flush=True,
        )

    def _connect(self, coordinator: str) -> None:
        """Wait until all processes have connected to the coordinator."""
        import jax

        if self.is_coordinator:
            check_port_is_free(coordinator)
        print(f"  process {self.process_id} of {self.num_processes}: connecting to {coordinator}", flush=True)
        atexit.register(_exit_immediately)
        # keras.distribution.initialize has no parameters for the timeouts.
        jax.distributed.initialize(
            coordinator,
            self.num_processes,
            self.process_id,
            initialization_timeout=CONNECT_TIMEOUT_S,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_S,
        )
        with suppress_output(1):
            self.broadcast(None)  # Gloo prints to the standard output at the first communication

    def check_consistency(self, dependencies: dict[str, Any]) -> None:
        """Raise ValueError where settings or inputs differ from those of the coordinator."""
        expected = self.broadcast(dependencies)
        names = [
            (kind, name)
            for kind in ("settings", "inputs")
            for name in dependencies[kind].keys() | expected[kind].keys()
        ]
        differing = sorted(n for kind, n in names if dependencies[kind].get(n) != expected[kind].get(n))
        if differing:
            raise ValueError(
                f"process {self.process_id} differs from process 0 in {', '.join(differing)}. Copy data/ from the "
                "machine of process 0 to all machines, and use the same settings and flags in all processes."
            )

    def distribute(self, batches: ShuffledBatches) -> ShuffledBatches:
        if batches.batch_size % self.n_devices:
            multiple = -(-batches.batch_size // self.n_devices) * self.n_devices
            raise ValueError(
                f"batch_size is {batches.batch_size}, but must be a multiple of the number of devices, "
                f"{self.n_devices}, such as {multiple}."
            )
        distribution = TrainingDataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(distribution)
        self.callbacks = (ReplicateValidation(distribution),)
        return BatchShards(batches, self.process_id, self.num_processes, self.n_devices, distribution)

    def broadcast(self, value: Any) -> Any:
        from jax.experimental.multihost_utils import broadcast_one_to_all

        if self.num_processes == 1:
            return value
        buffer = io.BytesIO()
        safe_pickle.dump(value, buffer)
        pickled = np.frombuffer(buffer.getvalue(), np.uint8)
        length = int(broadcast_one_to_all(np.int32(len(pickled))))
        return safe_pickle.load(io.BytesIO(broadcast_one_to_all(np.resize(pickled, length)).tobytes()))

    def shutdown(self) -> None:
        import jax

        if self.num_processes > 1:
            jax.distributed.shutdown()
            atexit.unregister(_exit_immediately)
        keras.distribution.set_distribution(None)  # predictions after training are this process's alone


class TrainingDataParallel(keras.distribution.DataParallel):
    """Shard training batches over the devices, and replicate validation batches on each device.

    The number of validation faces need not be a multiple of the number of devices.
    """

    replicate = False

    def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
        if self.replicate:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)
        return super().get_data_layout(data_shape)


class ReplicateValidation(keras.callbacks.Callback):
    """Replicate batches on each device while `fit` validates."""

    def __init__(self, distribution: TrainingDataParallel):
        super().__init__()
        self.distribution = distribution

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.distribution.replicate = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self.distribution.replicate = False


class BatchShards(ShuffledBatches):
    """One process's shard of each batch.

    All processes create the same batches from the same seed, so the number of processes changes no face. Where the
    size of the last batch is not a multiple of the number of devices, the remaining faces are skipped; the order
    makes them different faces in each epoch.
    """

    def __init__(
        self,
        batches: ShuffledBatches,
        process_id: int,
        num_processes: int,
        n_devices: int,
        distribution: TrainingDataParallel | None = None,
    ):
        super().__init__(
            batches.faces, batches.targets, batches.batch_size, batches.seed, batches.augmentation
        )
        self.process_id, self.num_processes, self.n_devices = process_id, num_processes, n_devices
        self.distribution = distribution

    def __len__(self) -> int:
        n_faces = len(self.faces)
        return -(-(n_faces - n_faces % self.n_devices) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        faces, targets = super().__getitem__(index)
        size = (len(faces) - len(faces) % self.n_devices) // self.num_processes
        shard = slice(self.process_id * size, (self.process_id + 1) * size)
        return faces[shard], targets[shard]

    def replicated_faces(self, index: int) -> Any:
        faces, _ = super().__getitem__(index)
        assert self.distribution is not None
        layout = keras.distribution.TensorLayout([None] * faces.ndim, self.distribution.device_mesh)
        return keras.distribution.distribute_tensor(faces, layout)


def create_strategy(settings: Any, dependencies: dict[str, Any]) -> SingleProcess:
    """Connect to the other processes of a distributed training, if any, and check that all agree.

    Raises:
        ValueError: If another process has other dependencies (settings or data).
    """
    if not settings.distribute:
        return SingleProcess()
    cluster = DataParallelCluster(settings.coordinator, settings.num_processes, settings.process_id)
    # These do not change an epoch's weights, but processes with other values would wait for each other forever.
    duration = {name: getattr(settings, name) for name in DURATION_SETTINGS}
    cluster.check_consistency(dependencies | {"settings": dependencies["settings"] | duration})
    return cluster


def check_distribution(settings: Any) -> None:
    """Raise ValueError for a process's index or an address that does not fit the number of processes."""
    coordinator, num_processes, process_id = (
        settings.coordinator,
        settings.num_processes,
        settings.process_id,
    )
    if not settings.distribute and (num_processes != 1 or process_id or coordinator):
        raise ValueError("num_processes, process_id and coordinator require distribute, which is not set.")
    if not 0 <= process_id < num_processes:
        raise ValueError(
            f"process_id is {process_id}, but must be between 0 and {num_processes - 1} "
            f"for {num_processes} processes."
        )
    host, _, port = coordinator.rpartition(":")
    if num_processes > 1 and not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(
            f"coordinator is {coordinator!r}, but must be the address of process 0 and a free port there, such as "
            "192.168.1.10:5555."
        )


def check_port_is_free(coordinator: str) -> None:
    """Raise ValueError if the coordinator's port is in use; JAX would wait or crash."""
    try:
        socket.create_server(("", int(coordinator.rpartition(":")[2]))).close()
    except OSError as error:
        raise ValueError(
            f"the port in {coordinator} is not available on this machine ({error.strerror}). Use another port, in all "
            "processes."
        ) from error


def _exit_immediately() -> None:
    """Exit without JAX's shutdown barrier, which waits for the other processes; they detect the lost heartbeat."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)

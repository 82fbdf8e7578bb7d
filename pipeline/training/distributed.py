"""Step 8 on several devices and machines at once, by Keras's data parallelism on JAX.

Each device computes the slopes of its share of each batch, and all take the same step by their mean: the result is
that of one device, but for the order in which numbers are added. So it is not the same bit for bit, and where a
training magnifies roundings, as at a high learning rate, the curves part after some epochs, as they do when its first
weights change by a ten-millionth. Each machine is a host, with the whole project and a data/ of its own; host 0 alone
writes, and tells the others where to go on.
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
from pipeline.training.checkpoint import Checkpoint
from pipeline.workflow import safe_pickle
from pipeline.workflow.artifacts import ArtifactStore
from pipeline.workflow.logging import suppress_output

CONNECT_TIMEOUT_S = 300  # seconds until all must have come
HEARTBEAT_TIMEOUT_S = 10  # seconds after which a host that isn't heard from counts as lost


def _exit_immediately() -> None:
    """JAX would wait for the others to say goodbye; they notice sooner when this host is simply gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


class SingleProcess:
    """One device, as Keras has it by itself: nothing is shared out."""

    is_first = True
    callbacks: tuple[keras.callbacks.Callback, ...] = ()

    def agree(self, facts: dict[str, Any]) -> None:
        """Raise ValueError where another host has other facts."""

    def spread(self, batch_size: int) -> None:
        """Have what is built from now on computed by all devices."""

    def shares(self, batches: ShuffledBatches) -> keras.utils.PyDataset:
        """What this host trains on of each batch."""
        return batches

    def whole(self, batches: ShuffledBatches) -> keras.utils.PyDataset:
        """All batches as the network can be called with them directly."""
        return batches

    def checkpoint(self, store: ArtifactStore, dependencies: dict[str, Any], patience: int) -> Checkpoint:
        return Checkpoint(store, dependencies, patience)

    def leave(self) -> None:
        """The training is over; each host may end in its own time."""


class DataParallelCluster(SingleProcess):
    """All devices of all hosts, each of which has as many.

    To be made before anything is computed. coordinator: host:port of host 0; hosts: how many there are; host: which of
    them this one is. Raises ValueError where these make no sense.
    """

    def __init__(self, coordinator: str, hosts: int, host: int):
        import jax

        validate_cluster(coordinator, hosts, host)
        self.hosts, self.host, self.is_first = hosts, host, host == 0
        if hosts > 1:
            if self.is_first:
                check_port_is_free(coordinator)
            print(f"  host {host} of {hosts}: waiting for all to come to {coordinator}", flush=True)
            atexit.register(_exit_immediately)
            # keras.distribution.initialize does this too, but can't be told how long to wait.
            jax.distributed.initialize(
                coordinator,
                hosts,
                host,
                initialization_timeout=CONNECT_TIMEOUT_S,
                heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_S,
            )
            with suppress_output(1):
                self.told_by_first(None)  # Gloo tells, once, that it is connected
        own, self.devices = jax.local_devices(), jax.device_count()
        if len(own) * hosts != self.devices:
            raise ValueError(
                f"host {host} has {len(own)} of {self.devices} devices, but all {hosts} hosts must have as many. "
                "CUDA_VISIBLE_DEVICES tells a host which of its GPUs to use."
            )
        kinds = ", ".join(device.device_kind for device in own)
        print(
            f"  host {host} of {hosts} computes on {len(own)} of {self.devices} devices: {kinds}", flush=True
        )

    def agree(self, facts: dict[str, Any]) -> None:
        first = self.told_by_first(facts)
        names = [(kind, name) for kind in ("settings", "inputs") for name in facts[kind]]
        differing = [name for kind, name in names if facts[kind][name] != first[kind][name]]
        if differing:
            raise ValueError(
                f"host {self.host} differs from host 0 in {', '.join(differing)}. Copy data/ from host 0 to the "
                "others, and give all the same settings and flags."
            )

    def spread(self, batch_size: int) -> None:
        if batch_size % self.devices:
            raise ValueError(
                f"batch_size is {batch_size}, which {self.devices} devices can't share evenly. Take "
                f"{-(-batch_size // self.devices) * self.devices}, or another multiple of {self.devices}."
            )
        self.parallel = TrainingDataParallel(auto_shard_dataset=False)
        self.callbacks = (ReplicateValidation(self.parallel),)
        keras.distribution.set_distribution(self.parallel)

    def shares(self, batches: ShuffledBatches) -> keras.utils.PyDataset:
        return BatchShards(batches, self.host, self.hosts, self.devices)

    def whole(self, batches: ShuffledBatches) -> keras.utils.PyDataset:
        return ReplicatedBatches(batches, self.parallel)

    def checkpoint(self, store: ArtifactStore, dependencies: dict[str, Any], patience: int) -> Checkpoint:
        return SharedCheckpoint(self, store, dependencies, patience)

    def leave(self) -> None:
        import jax

        if self.hosts > 1:
            jax.distributed.shutdown()
            atexit.unregister(_exit_immediately)

    def told_by_first(self, value: Any) -> Any:
        """Host 0's `value`, plain data, on every host."""
        from jax.experimental.multihost_utils import broadcast_one_to_all

        if self.hosts == 1:
            return value
        buffer = io.BytesIO()
        safe_pickle.dump(value, buffer)
        pickled = np.frombuffer(buffer.getvalue(), np.uint8)
        length = int(broadcast_one_to_all(np.int32(len(pickled))))
        return safe_pickle.load(io.BytesIO(broadcast_one_to_all(np.resize(pickled, length)).tobytes()))


def validate_cluster(coordinator: str, hosts: int, host: int) -> None:
    if hosts < 1:
        raise ValueError(f"hosts is {hosts}, but must be above 0.")
    if not 0 <= host < hosts:
        raise ValueError(f"host is {host}, but {hosts} hosts are counted from 0 to {hosts - 1}.")
    name, _, port = coordinator.rpartition(":")
    if hosts > 1 and not (name and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(
            f"coordinator is {coordinator!r}, but must be the address of host 0 and a free port there, such as "
            "192.168.1.10:5555."
        )


def check_port_is_free(coordinator: str) -> None:
    """JAX itself waits at a port that another program has, or crashes."""
    try:
        socket.create_server(("", int(coordinator.rpartition(":")[2]))).close()
    except OSError as error:
        raise ValueError(
            f"the port in {coordinator} can't be had on this host ({error.strerror}). Take another, on all hosts."
        ) from error


class TrainingDataParallel(keras.distribution.DataParallel):
    """Shares each training batch out among the devices; of a batch for validation each computes the whole.

    All of the validation faces are to count, and their number need not divide by that of the devices.
    """

    whole = False

    def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
        if self.whole:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)
        return super().get_data_layout(data_shape)


class ReplicateValidation(keras.callbacks.Callback):
    """Has each device compute all of each batch while `fit` validates."""

    def __init__(self, parallel: TrainingDataParallel):
        super().__init__()
        self.parallel = parallel

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self.parallel.whole = True

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        self.parallel.whole = False


class BatchShards(keras.utils.PyDataset):
    """This host's share of each batch.

    All hosts make the same batches, by the same seed, so that how many there are changes no face. Where the last batch
    doesn't divide by the number of devices, the faces left over are passed by, other ones in each epoch.
    """

    def __init__(self, batches: ShuffledBatches, host: int, hosts: int, devices: int):
        super().__init__()
        self.batches, self.host, self.hosts, self.devices = batches, host, hosts, devices

    def __len__(self) -> int:
        faces = len(self.batches.faces)
        return -(-(faces - faces % self.devices) // self.batches.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        faces, labels = self.batches[index]
        share = (len(faces) - len(faces) % self.devices) // self.hosts
        own = slice(self.host * share, (self.host + 1) * share)
        return faces[own], labels[own]


class ReplicatedBatches(keras.utils.PyDataset):
    """All of each batch on every device."""

    def __init__(self, batches: ShuffledBatches, parallel: TrainingDataParallel):
        super().__init__()
        self.batches, self.parallel = batches, parallel

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        mesh = self.parallel.device_mesh
        return tuple(
            keras.distribution.distribute_tensor(
                values, keras.distribution.TensorLayout([None] * values.ndim, mesh)
            )
            for values in self.batches[index]
        )


class SharedCheckpoint(Checkpoint):
    """A checkpoint that host 0 keeps in its data/, and from which all hosts go on."""

    def __init__(self, cluster: DataParallelCluster, *arguments: Any):
        super().__init__(*arguments)
        self.cluster = cluster

    def load(self) -> None:
        if self.cluster.is_first:
            super().load()
        self.found = self.cluster.told_by_first(self.found)
        if self.found:
            self.history, self.best_weights = self.found["history"], self.found["best_weights"]

    def keep(self, state: list[np.ndarray]) -> None:
        if self.cluster.is_first:
            super().keep(state)

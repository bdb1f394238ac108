"""From what a caller chooses to a training that can begin or go on: threads, processes, data, weights and settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from netparity.files import checkpoint
from netparity.network.contract import Backend, Hyperparameters, JoiningBackend
from netparity.network.errors import NetparityError, OptionError
from netparity.network.frameworks import FRAMEWORKS
from netparity.network.registered import RegisteredNetwork
from netparity.system.allocator import keep_freed_memory
from netparity.system.environment import environment
from netparity.system.processor import usable_cores
from netparity.system.progress import ProgressListener
from netparity.train.loop import CHECKPOINT, Run, check_settings
from netparity.workers.backends import make_backend
from netparity.workers.process import THREAD_VARIABLES


@dataclass(frozen=True)
class TrainingOptions:
    """What a caller may choose.

    Attributes:
        network: The network, with what it is trained on.
        name, target: The backend's, as :func:`~netparity.workers.backends.find_backend` gives them.
        folder: Where the checkpoint and the history are kept.
        data: The folder of the data; None looks for them.
        any_data: Whether other data of the same form are taken.
        hyperparameters: Those of the optimiser and the loss.
        batch_size: Images of a step.
        image_size: Height and width that images are resized to; by default the network's.
        seed: Of the weights and of the order of the images.
        limit: Trains on the first so many images only.
        init: The network's own initialisation scheme, which is the default, or ``framework`` for the backend's.
        resume: Whether the training in the folder goes on.
        force: Whether a new one may take its place.

    Raises:
        OptionError: There is no such scheme, there are no data, or the folder does not fit ``resume`` and ``force``.
    """

    network: RegisteredNetwork
    name: str
    target: str
    hyperparameters: Hyperparameters
    folder: Path
    data: Path | None = None
    any_data: bool = False
    batch_size: int = 128
    image_size: tuple[int, int] | None = None
    seed: int = 0
    limit: int | None = None
    init: str | None = None
    resume: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.init not in (None, self.network.scheme, "framework"):
            raise OptionError(f"--init is {self.init!r}; expected {self.network.scheme} or framework.")
        if not self.scheme:
            known = ", ".join(FRAMEWORKS)
            raise OptionError(
                f"What {self.name} begins with by itself is not known here; --init framework is for {known}."
            )
        if self.network.load_data is None:
            raise OptionError(f"{self.network.network.name} has no data to be trained on.")
        there = (self.folder / CHECKPOINT).exists()
        if self.resume and not there:
            raise OptionError(
                f"There is no checkpoint in '{self.folder}' to go on from; leave out --resume, or name its --out."
            )
        if there and not self.resume and not self.force:
            raise OptionError(f"'{self.folder}' holds a checkpoint: --resume goes on from it, --force begins anew.")

    @property
    def scheme(self) -> str:
        """The initialisation scheme that ``init`` stands for with this backend; empty where it is not known."""
        if self.init != "framework":
            return self.network.scheme
        framework = FRAMEWORKS.get(self.name.rpartition(":")[2])
        return framework.scheme if framework else ""


def start(options: TrainingOptions, command: str, downloads: AbstractContextManager[ProgressListener | None]) -> Run:
    """A training that can begin, or go on, with its folder made. Frameworks are loaded, and processes meet.

    Args:
        command: The shell command that was given, for the history.
        downloads: Shows how far downloads are; entered when the framework is loaded, which captures standard error.

    Raises:
        OptionError: The backend is not installed, the processes cannot meet, or the checkpoint is of other settings.
        DataError, FileError, ImagesError: The data, or the checkpoint, cannot be had.
    """
    settle_threads()
    keep_freed_memory()
    backend = make_backend(options.name, options.target)
    shard = _join(options.name, backend)
    assert options.network.load_data is not None
    with downloads as listener:
        training, test, data_settings = options.network.load_data(
            options.data,
            verify=not options.any_data,
            batch_size=options.batch_size,
            image_size=options.image_size or options.network.image_size,
            seed=options.seed,
            limit=options.limit,
            shard=shard,
            progress=listener,
        )
    settings = {
        "format": "netparity history",
        "format_version": 1,
        "backend": options.name,
        "hyperparameters": asdict(options.hyperparameters),
        **data_settings,
        "init": options.scheme,
        "processes": training.count,
        "dtype": "float32",
        "versions": backend.versions(),
        "environment": environment(),
        "command": command,
    }
    saved = checkpoint.load(options.network.network, options.folder / CHECKPOINT) if options.resume else None
    if saved:
        check_settings(saved.settings, settings)
    weights = saved.weights if saved else options.network.make_weights(options.seed, scheme=options.scheme)
    model = backend.build(weights, "float32")
    run = Run(model, options.hyperparameters, training, test, options.folder, settings)
    if saved:
        run.resume(saved)
    options.folder.mkdir(parents=True, exist_ok=True)
    return run


def settle_threads() -> None:
    """Settles how many threads a framework starts, and the order of its sums; to be called before it is loaded."""
    cores = usable_cores()
    if (processes := int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) > 1:
        cores = max(1, cores // processes)
        if os.environ.get("OMP_NUM_THREADS") == "1":  # torchrun's own choice, whatever the machine
            del os.environ["OMP_NUM_THREADS"]
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, str(cores))
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def together(count: int) -> Iterator[None]:
    """Turns what a framework raises when another process has died into a sentence; each framework has its own words.

    ``count`` processes train together; with one, what is raised stays what it is.
    """
    try:
        yield
    except NetparityError:
        raise
    except Exception as error:
        if count == 1:
            raise
        words = (str(error).splitlines() or [""])[0]
        raise NetparityError(
            f"The {count} processes could not go on together; another one may say why. {type(error).__name__}: {words}"
        ) from error


def _join(name: str, backend: Backend) -> tuple[int, int]:
    """This process's rank among those that train together, and how many they are."""
    rank, count = backend.join() if isinstance(backend, JoiningBackend) else (0, 1)
    if count == 1 and "TORCHELASTIC_RUN_ID" in os.environ and (started := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise OptionError(f"torchrun started {started} processes, and {name} does not know of it: each would be alone.")
    return rank, count

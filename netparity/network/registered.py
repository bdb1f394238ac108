"""The networks that installed packages register, and what a run of one starts from.

A package registers a network by an entry point in the group ``netparity.networks`` whose object is a
:class:`RegisteredNetwork`. Finding it imports that package and no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from netparity.network.contract import Array, Batch
from netparity.network.errors import OptionError
from netparity.network.module_tree import ModuleTree
from netparity.network.network import Network
from netparity.network.published import PublishedTable, PublishedTraining

GROUP = "netparity.networks"
DEFAULT_GROUP = "netparity.default_network"
"""The entry-point group with the one network that is meant where none is named."""
BACKEND_GROUP = "netparity.backends"
"""The entry-point group of the backends."""


class Batches(Protocol):
    """Images and labels in batches, epoch by epoch, the same whichever framework trains on them."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    batch_size: int
    rank: int
    count: int

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""
        ...

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0, from batch ``start`` on."""
        ...


class TrainingData(NamedTuple):
    """What a network is trained on.

    Attributes:
        training: Batches to train on; of several processes, each has its shard.
        test: Batches to test with.
        settings: What says which data these are, for a history; JSON can hold it.
    """

    training: Batches
    test: Batches
    settings: dict[str, Any]


@dataclass(frozen=True)
class RegisteredNetwork:
    """A network, and what a run of it starts from.

    Attributes:
        network: The network.
        init_weights: Canonical float32 weights: ``init_weights(seed, in_channels=…, num_classes=…, scheme=…)``.
        sample_images: Images (N, C, H, W), float32, and labels (N,):
            ``sample_images(batch_size, image_size=…, in_channels=…)``.
        in_channels: Channels of images where nothing else is asked for.
        num_classes: Logits where nothing else is asked for.
        image_size: Height and width of images where nothing else is asked for.
        scheme: The initialisation scheme that is meant where none is named.
        samples: What a report calls the sample images.
        sample_count: How many different ones there are.
        classes: What the labels mean.
        makers: A framework's name to ``module:attribute`` of what makes the network in it. Where ``convert`` is to read
            and write the framework's own files, ``module.checkpoint`` has ``read_tensors`` and ``save_checkpoint``.
        trees: The module trees whose files are in canonical layout, the canonical one first.
        table: What was published of its sizes.
        published: What was published of a training with these settings, if anything was.
        load_data: Loads what ``train`` trains it on, ``load_data(folder, verify=…, batch_size=…, image_size=…, seed=…,
            limit=…, shard=…, progress=…)``: the folder of its files (None looks for them, else downloads them), whether
            their hashes must be the known ones, what :class:`Batches` are made of, and who hears of a download.
    """

    network: Network
    init_weights: Callable[..., dict[str, Array]]
    sample_images: Callable[..., tuple[Array, Array]]
    in_channels: int
    num_classes: int
    image_size: tuple[int, int]
    scheme: str
    samples: str = "sample images"
    sample_count: int = 16
    classes: tuple[str, ...] = ()
    makers: Mapping[str, str] = field(default_factory=dict)
    trees: tuple[ModuleTree, ...] = ()
    table: PublishedTable | None = None
    published: Callable[[Mapping[str, Any]], PublishedTraining | None] = lambda settings: None
    load_data: Callable[..., TrainingData] | None = None

    def make_weights(
        self,
        seed: int = 0,
        *,
        in_channels: int | None = None,
        num_classes: int | None = None,
        scheme: str | None = None,
    ) -> dict[str, Array]:
        """Canonical float32 weights to begin with; what is not given is the network's own."""
        return self.init_weights(
            seed,
            in_channels=in_channels or self.in_channels,
            num_classes=num_classes or self.num_classes,
            scheme=scheme or self.scheme,
        )

    def take_samples(
        self, count: int, *, image_size: tuple[int, int] | None = None, in_channels: int | None = None
    ) -> tuple[Array, Array]:
        """Sample images (``count``, C, H, W), float32, and labels (``count``,); what is not given is the network's own.

        Labels may be beyond the classes that a set of weights is for.
        """
        return self.sample_images(
            count, image_size=image_size or self.image_size, in_channels=in_channels or self.in_channels
        )


@lru_cache(maxsize=16)
def find_network(name: str) -> RegisteredNetwork:
    """The network that is registered under a name.

    Raises:
        OptionError: There is none.
    """
    for entry in entry_points(group=GROUP, name=name):
        found: RegisteredNetwork = entry.load()
        return found
    known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)})) or "none"
    raise OptionError(f"There is no network {name!r}; registered are: {known}.")


def default_network() -> RegisteredNetwork:
    """The network that is meant where none is named.

    Raises:
        OptionError: No installed package declares one.
    """
    if name := default_name():
        return find_network(name)
    raise OptionError("No installed package declares a default network.")


@lru_cache(maxsize=1)  # looks through every installed package
def default_name() -> str:
    """The name under which the default network is registered; empty where no installed package declares one."""
    return next((entry.name for entry in entry_points(group=DEFAULT_GROUP)), "")

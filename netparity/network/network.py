"""A network as a value: its layers in canonical order, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate

from netparity.network.errors import OptionError, UnknownLayerError
from netparity.network.kinds import Layer, Shape

IMAGES = "images"
"""The name that stands for the network's input in ``Layer.inputs``."""


@dataclass(frozen=True)
class LayerRow:
    """One line of :meth:`Network.table`.

    Attributes:
        kind: The kind's name: ``conv``, ``max-pool``, ``concat``, ``avg-pool``, ``dense``, …
        output_shape: For one image: (C, H, W), or (C,) after the global average pool.
        parameters: How many numbers its weights and biases have.
        multiply_adds: Multiplications, each with its addition, for one image; biases, pools and ReLU count none.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Network:
    """A network: its layers in canonical order, each after the layers it reads.

    The first layer with weights reads the images, and the last layer gives the logits: how many channels and classes a
    set of weights is for follows from those two. Which layers are a block follows from their names, by the rule of
    :func:`block_names`.

    Raises:
        OptionError: There are no layers, two have one name, or one does not read layers before it or the images.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if fault := _fault(self.layers):
            raise OptionError(f"The network {self.name!r} cannot be: {fault}.")

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def __getitem__(self, name: str) -> Layer:
        """The layer of that name. Raises :class:`~netparity.network.errors.UnknownLayerError`."""
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            known = ", ".join(list(self._by_name)[:3])
            raise UnknownLayerError(
                f"{name!r} is no layer of {self.name}; its {len(self.layers)} layers are {known}, …, {self.output}."
            ) from None

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def names(self) -> tuple[str, ...]:
        """Every layer's name, in canonical order."""
        return tuple(self._by_name)

    @property
    def output(self) -> str:
        """The name of the last layer, which gives the logits."""
        return self.layers[-1].name

    @cached_property
    def _blocks(self) -> Mapping[str, str]:
        return block_names(self._by_name)

    @cached_property
    def weighted(self) -> tuple[Layer, ...]:
        """The layers that have parameters, in canonical order."""
        return tuple(layer for layer in self.layers if layer.parameters)

    @cached_property
    def computing(self) -> tuple[Layer, ...]:
        """The layers that compute something by themselves, in canonical order: all but those that only join others."""
        return tuple(layer for layer in self.layers if not layer.joins)

    def members(self, block: str) -> tuple[Layer, ...]:
        """The layers inside a block, without the one that ends it and has the block's own name."""
        return tuple(layer for layer in self.layers if layer.name.startswith(f"{block}."))

    def block_of(self, layer: Layer) -> str:
        """The block that a layer is in, or ends; empty for a layer that is in none. See :func:`block_names`."""
        return self._blocks[layer.name]

    def reads_a_pool(self, layer: Layer) -> bool:
        """Whether a layer reads the output of a max-pool."""
        read = self._by_name.get(layer.inputs[0])
        return read is not None and read.takes_maxima

    def layer_of(self, tensor: str) -> str:
        """The layer whose output, parameter or gradient a tensor is; empty if it belongs to no layer."""
        return next((name for name in (tensor, tensor.rpartition(".")[0]) if name in self._by_name), "")

    def part(self, name: str) -> Network:
        """One layer alone, or one whole block if its last layer joins the others, as a network that reads ``"images"``.

        Raises:
            OptionError: It reads the outputs of several others, which one input cannot stand for.
        """
        found = self[name]
        layers = (*self.members(name), found) if found.joins else (found,)
        inside = {layer.name: layer.name for layer in layers}
        outside = dict.fromkeys(read for layer in layers for read in layer.inputs if read not in inside)
        if len(outside) > 1:
            several = " and ".join(map(repr, outside))
            raise OptionError(f"{name!r} reads {several} and so cannot be computed alone; expected one input.")
        wired = (replace(layer, inputs=tuple(inside.get(read, IMAGES) for read in layer.inputs)) for layer in layers)
        return Network(name, tuple(wired))

    def output_shapes(
        self, in_channels: int = 1, num_classes: int = 10, image_size: tuple[int, ...] = (96, 96)
    ) -> dict[str, Shape]:
        """Each layer's output shape for one image, (C, H, W) or (C,), with ``"images"`` first.

        Raises:
            OptionError: A count or a size is not a whole number of 1 or more.
        """
        check_count("in_channels", in_channels)
        check_count("num_classes", num_classes)
        height, width = check_image_size(image_size)
        shapes: dict[str, Shape] = {IMAGES: (in_channels, height, width)}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape([shapes[name] for name in layer.inputs], num_classes)
        return shapes

    def parameter_shapes(self, in_channels: int = 1, num_classes: int = 10) -> dict[str, Shape]:
        """The canonical name and shape of every parameter, in canonical order: kernels OIHW, dense (out, in)."""
        return dict(_parameter_shapes(self, in_channels, num_classes))

    def table(
        self, in_channels: int = 1, num_classes: int = 10, image_size: tuple[int, int] = (96, 96)
    ) -> list[LayerRow]:
        """Shapes, parameters and multiply-adds of every layer, in canonical order.

        Raises:
            OptionError: A count or a size (height and width in pixels) is not a whole number of 1 or more.
        """
        shapes = self.output_shapes(in_channels, num_classes, image_size)
        parameters = self.parameter_shapes(in_channels, num_classes)
        rows = []
        for layer in self.layers:
            sizes = {key: math.prod(parameters[f"{layer.name}.{key}"]) for key in layer.parameters}
            # A kernel is applied once at each output position; after the global pool there is one position.
            multiply_adds = sizes.get("weight", 0) * math.prod(shapes[layer.name][1:])
            rows.append(LayerRow(layer.name, layer.kind, shapes[layer.name], sum(sizes.values()), multiply_adds))
        return rows


def block_names(names: Iterable[str]) -> dict[str, str]:
    """The block that each of a network's layers is in, or ends; empty for a layer that is in none.

    A block has the name of the layer that ends it, and its other layers' names begin with that name and a dot. Of
    blocks within each other, the innermost counts.
    """
    known = dict.fromkeys(names)
    around = {}
    for name in known:
        beginnings = accumulate(name.split("."), "{}.{}".format)  # the whole name last
        around[name] = [beginning for beginning in beginnings if beginning in known]
    blocks = {block for within in around.values() for block in within[:-1]}
    return {name: next((block for block in reversed(within) if block in blocks), "") for name, within in around.items()}


def _fault(layers: tuple[Layer, ...]) -> str:
    """What keeps layers from being a network, and what was expected; empty if nothing does."""
    if not layers:
        return "it has no layers; expected one or more"
    known = {IMAGES}
    for layer in layers:
        if layer.name == IMAGES:
            return f"a layer is called {IMAGES!r}, which stands for the input; expected another name"
        if layer.name in known:
            return f"two layers are called {layer.name!r}; expected a name for each"
        if not layer.inputs:
            return f"{layer.name!r} reads nothing; expected {IMAGES!r} or layers before it"
        for read in layer.inputs:
            if read not in known:
                return f"{layer.name!r} reads {read!r}, which is no layer before it; expected one, or {IMAGES!r}"
        known.add(layer.name)
    return ""


@lru_cache(maxsize=64)
def _parameter_shapes(network: Network, in_channels: int, num_classes: int) -> dict[str, Shape]:
    # Channels do not depend on the size of the images.
    channels = network.output_shapes(in_channels, num_classes, (1, 1))
    return {
        f"{layer.name}.{key}": shape
        for layer in network.weighted
        for key, shape in layer.parameter_shapes(channels[layer.inputs[0]], channels[layer.name]).items()
    }


def check_count(what: str, value: int) -> None:
    """Raises :class:`~netparity.network.errors.OptionError` unless ``value`` is a whole number of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise OptionError(f"{what} is {value!r}; expected a whole number of 1 or more.")


def check_image_size(image_size: tuple[int, ...]) -> tuple[int, int]:
    """Height and width.

    Raises:
        OptionError: They are not two whole numbers of 1 or more.
    """
    try:
        height, width = image_size
    except (TypeError, ValueError):
        raise OptionError(f"The image size is {image_size!r}; expected a height and a width.") from None
    check_count("image height", height)
    check_count("image width", width)
    return height, width

"""The network as data: every layer of GoogLeNet, in canonical order, with its numbers.

The channel numbers follow the source document (Dive into Deep Learning, "Networks with Parallel
Concatenations"), which follows Table 1 of Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842.
They stand here and once more in each framework's ``model.py``, on purpose: were there one shared table,
a slip in it would be invisible to every comparison. ``parity_tests`` holds the four against each other.

Dimension letters, used throughout: N batch, C channels, H height, W width, O output channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

from googlenet_np.errors import OptionError, UnknownLayerError

__all__ = [
    "GOOGLENET",
    "IMAGES",
    "Architecture",
    "Concat",
    "Conv2d",
    "Dense",
    "GlobalAvgPool2d",
    "Layer",
    "LayerRow",
    "MaxPool2d",
    "check_count",
    "check_image_size",
    "layer_table",
]

IMAGES = "images"
"""The name that stands for the network's input in ``Layer.inputs``."""


@dataclass(frozen=True)
class Layer:
    """One named step: it reads the named activations ``inputs`` and gives the activation ``name``."""

    name: str
    inputs: tuple[str, ...]
    kind: ClassVar[str] = ""


@dataclass(frozen=True)
class Conv2d(Layer):
    """Convolution with square kernel, bias and ReLU. Kernel layout OIHW; padding is the same on all four sides."""

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    kind: ClassVar[str] = "conv"


@dataclass(frozen=True)
class MaxPool2d(Layer):
    """Maximum over a square window; the border is padded with minus infinity."""

    kernel_size: int
    stride: int
    padding: int
    kind: ClassVar[str] = "max-pool"


@dataclass(frozen=True)
class Concat(Layer):
    """Concatenation over the channel axis: the output of an Inception block, under the block's own name."""

    kind: ClassVar[str] = "concat"


@dataclass(frozen=True)
class GlobalAvgPool2d(Layer):
    """Mean over height and width: (N, C, H, W) to (N, C)."""

    kind: ClassVar[str] = "avg-pool"


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer to ``num_classes`` logits, with bias and without ReLU. Weight layout (out, in)."""

    kind: ClassVar[str] = "dense"


@dataclass(frozen=True)
class LayerRow:
    """One line of :func:`layer_table`.

    Attributes:
        name: The canonical name.
        kind: ``conv``, ``max-pool``, ``concat``, ``avg-pool`` or ``dense``.
        output_shape: For one image: (C, H, W), or (C,) behind the global average pool.
        parameters: Weights and biases.
        multiply_adds: Multiplications, each with its addition, for one image; biases, pools and ReLU count none.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Architecture:
    """A network: its layers in canonical order, each after the layers it reads."""

    name: str
    layers: tuple[Layer, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def __getitem__(self, name: str) -> Layer:
        """The layer of that name. Raises :class:`~googlenet_np.errors.UnknownLayerError`."""
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            known = ", ".join(list(self._by_name)[:3])
            raise UnknownLayerError(
                f"{name!r} is no layer of {self.name}; its {len(self.layers)} layers are {known}, …, "
                f"{self.layers[-1].name}."
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
    def weighted(self) -> tuple[Layer, ...]:
        """The layers that have a ``.weight`` and a ``.bias``, in canonical order."""
        return tuple(layer for layer in self.layers if isinstance(layer, (Conv2d, Dense)))

    def output_shapes(
        self, in_channels: int = 1, num_classes: int = 10, image_size: tuple[int, ...] = (96, 96)
    ) -> dict[str, tuple[int, ...]]:
        """Each layer's output shape for one image, (C, H, W) or (C,), with ``"images"`` first."""
        check_count("in_channels", in_channels)
        check_count("num_classes", num_classes)
        height, width = check_image_size(image_size)
        shapes: dict[str, tuple[int, ...]] = {IMAGES: (in_channels, height, width)}
        for layer in self.layers:
            before = shapes[layer.inputs[0]]
            match layer:
                case Conv2d():
                    shapes[layer.name] = (layer.out_channels, *_windows(before[1:], layer))
                case MaxPool2d():
                    shapes[layer.name] = (before[0], *_windows(before[1:], layer))
                case Concat():
                    shapes[layer.name] = (sum(shapes[branch][0] for branch in layer.inputs), *before[1:])
                case GlobalAvgPool2d():
                    shapes[layer.name] = before[:1]
                case Dense():
                    shapes[layer.name] = (num_classes,)
        return shapes

    def parameter_shapes(self, in_channels: int = 1, num_classes: int = 10) -> dict[str, tuple[int, ...]]:
        """The canonical name and shape of every parameter, in canonical order: kernels OIHW, dense (out, in)."""
        return dict(_parameter_shapes(self, in_channels, num_classes))


def check_count(what: str, value: int) -> None:
    """Raises :class:`~googlenet_np.errors.OptionError` unless ``value`` is a whole number of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise OptionError(f"{what} is {value!r}; expected a whole number of 1 or more.")


@lru_cache(maxsize=64)
def _parameter_shapes(architecture: Architecture, in_channels: int, num_classes: int) -> dict[str, tuple[int, ...]]:
    channels = architecture.output_shapes(in_channels, num_classes, (1, 1))
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in architecture.weighted:
        out, into = channels[layer.name][0], channels[layer.inputs[0]][0]
        kernel = (layer.kernel_size, layer.kernel_size) if isinstance(layer, Conv2d) else ()
        shapes[f"{layer.name}.weight"] = (out, into, *kernel)
        shapes[f"{layer.name}.bias"] = (out,)
    return shapes


def check_image_size(image_size: tuple[int, ...]) -> tuple[int, int]:
    """Height and width. Raises :class:`~googlenet_np.errors.OptionError` unless they are two counts of 1 or more."""
    try:
        height, width = image_size
    except (TypeError, ValueError):
        raise OptionError(f"The image size is {image_size!r}; expected a height and a width.") from None
    check_count("image height", height)
    check_count("image width", width)
    return height, width


def _windows(size: tuple[int, ...], layer: Conv2d | MaxPool2d) -> tuple[int, ...]:
    return tuple((n + 2 * layer.padding - layer.kernel_size) // layer.stride + 1 for n in size)


def _inception(name: str, before: str, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> tuple[Layer, ...]:
    """The layers of one Inception block; ``c1`` … ``c4`` are its branches' output channels (Figure 2b)."""
    p1_1, p2_1, p2_2, p3_1, p3_2, p4_1, p4_2 = (
        f"{name}.{layer}" for layer in ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_1", "p4_2")
    )
    return (
        Conv2d(p1_1, (before,), c1, kernel_size=1),
        Conv2d(p2_1, (before,), c2[0], kernel_size=1),
        Conv2d(p2_2, (p2_1,), c2[1], kernel_size=3, padding=1),
        Conv2d(p3_1, (before,), c3[0], kernel_size=1),
        Conv2d(p3_2, (p3_1,), c3[1], kernel_size=5, padding=2),
        MaxPool2d(p4_1, (before,), kernel_size=3, stride=1, padding=1),
        Conv2d(p4_2, (p4_1,), c4, kernel_size=1),
        Concat(name, (p1_1, p2_2, p3_2, p4_2)),
    )


GOOGLENET = Architecture(
    "GoogLeNet",
    (
        Conv2d("b1.conv", (IMAGES,), 64, kernel_size=7, stride=2, padding=3),
        MaxPool2d("b1.pool", ("b1.conv",), kernel_size=3, stride=2, padding=1),
        Conv2d("b2.conv1", ("b1.pool",), 64, kernel_size=1),
        Conv2d("b2.conv2", ("b2.conv1",), 192, kernel_size=3, padding=1),
        MaxPool2d("b2.pool", ("b2.conv2",), kernel_size=3, stride=2, padding=1),
        *_inception("b3.inception_3a", "b2.pool", 64, (96, 128), (16, 32), 32),
        *_inception("b3.inception_3b", "b3.inception_3a", 128, (128, 192), (32, 96), 64),
        MaxPool2d("b3.pool", ("b3.inception_3b",), kernel_size=3, stride=2, padding=1),
        *_inception("b4.inception_4a", "b3.pool", 192, (96, 208), (16, 48), 64),
        *_inception("b4.inception_4b", "b4.inception_4a", 160, (112, 224), (24, 64), 64),
        *_inception("b4.inception_4c", "b4.inception_4b", 128, (128, 256), (24, 64), 64),
        *_inception("b4.inception_4d", "b4.inception_4c", 112, (144, 288), (32, 64), 64),
        *_inception("b4.inception_4e", "b4.inception_4d", 256, (160, 320), (32, 128), 128),
        MaxPool2d("b4.pool", ("b4.inception_4e",), kernel_size=3, stride=2, padding=1),
        *_inception("b5.inception_5a", "b4.pool", 256, (160, 320), (32, 128), 128),
        *_inception("b5.inception_5b", "b5.inception_5a", 384, (192, 384), (48, 128), 128),
        GlobalAvgPool2d("b5.pool", ("b5.inception_5b",)),
        Dense("fc", ("b5.pool",)),
    ),
)
"""GoogLeNet as the source document defines it: no auxiliary heads, no dropout, no local response normalisation."""


def layer_table(
    in_channels: int = 1,
    num_classes: int = 10,
    image_size: tuple[int, int] = (96, 96),
    architecture: Architecture = GOOGLENET,
) -> list[LayerRow]:
    """Shapes, parameters and multiply-adds of every layer, in canonical order.

    Args:
        in_channels: Channels of the images.
        num_classes: Logits.
        image_size: Height and width in pixels; every size from 1×1 up is legal.
        architecture: The network.

    Raises:
        OptionError: A count or a size is not a whole number of 1 or more.
    """
    shapes = architecture.output_shapes(in_channels, num_classes, image_size)
    parameters = architecture.parameter_shapes(in_channels, num_classes)
    rows = []
    for layer in architecture:
        weight = _product(parameters.get(f"{layer.name}.weight", (0,)))
        bias = _product(parameters.get(f"{layer.name}.bias", (0,)))
        # A kernel is applied once at each output position; behind the global pool there is one position.
        positions = _product(shapes[layer.name][1:])
        rows.append(LayerRow(layer.name, layer.kind, shapes[layer.name], weight + bias, weight * positions))
    return rows


def _product(numbers: tuple[int, ...]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product

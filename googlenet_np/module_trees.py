"""The names that the same 116 tensors have in other module trees, and the way back to the canonical ones.

Every tree is derived from ``GOOGLENET``. A tensor is found by its path in its own tree, never by its position in a
file: many shapes occur twice (all of 5a and 4e but one), so an order alone would prove nothing. The trees of the source
document are its three tabs (``Sequential`` of five ``Sequential`` and a dense layer) and the study note's ``net``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, Concat, Conv2d, Layer
from googlenet_np.errors import WeightsError
from googlenet_np.tensor_files import ForeignTensor
from googlenet_np.weights import check_weights, name_differences

__all__ = [
    "GLUON_EXPORT",
    "GLUON_SOURCE",
    "KERAS",
    "PROJECT",
    "TORCH_NOTE",
    "TORCH_SOURCE",
    "ModuleTree",
    "StoredTensors",
    "canonical_weights",
    "nearest_tree",
    "renamed",
    "strip_common",
]

Array = npt.NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True)
class ModuleTree:
    """Where the layers stand in one module tree.

    Attributes:
        name: What it is, for a message.
        layers: The canonical name of each weighted layer to its path in this tree.
        separator: Between a layer's path and ``weight`` or ``bias``.
    """

    name: str
    layers: Mapping[str, str]
    separator: str = "."

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Each parameter's key in this tree to its canonical name, in canonical order."""
        return {
            f"{path}{self.separator}{parameter}": f"{layer}.{parameter}"
            for layer, path in self.layers.items()
            for parameter in ("weight", "bias")
        }


@dataclass(frozen=True)
class StoredTensors:
    """What one file holds, before anybody asks whether it is a GoogLeNet.

    Attributes:
        path: The file.
        tensors: By their names in the file, in its own layouts and dtypes; what is no array is there as it is.
        trees: Those that such a file may be of; no two of them have the same keys.
        to_keys: Of names in the file, their keys in a tree to those names; a name that has no other key is its own.
        to_canonical: An array of the file in canonical layout.
        versions: Of what wrote the file, where it says so.
    """

    path: str | os.PathLike[str]
    tensors: Mapping[str, Any]
    trees: tuple[ModuleTree, ...]
    to_keys: Callable[[Iterable[str]], Mapping[str, str]] = lambda names: {name: name for name in names}
    to_canonical: Callable[[Array], Array] = lambda array: array
    versions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Keys in a tree to names in the file.

        Raises:
            WeightsError: Two names would have the same key.
        """
        return self.to_keys(self.tensors)

    @cached_property
    def by_key(self) -> dict[str, Any]:
        """Keys in a tree to tensors, the arrays among them in canonical layout.

        Raises:
            WeightsError: Two names would have the same key.
        """
        tensors = {key: self.tensors[name] for key, name in self.names.items()}
        return {
            key: self.to_canonical(tensor) if isinstance(tensor, np.ndarray) else tensor
            for key, tensor in tensors.items()
        }

    @property
    def tree(self) -> ModuleTree:
        """The tree that the tensors are of, or nearest to.

        Raises:
            WeightsError: Two names would have the same key.
        """
        return nearest_tree(self.by_key, self.trees)

    def weights(self) -> dict[str, Array]:
        """As of :func:`canonical_weights`.

        Raises:
            WeightsError: The file holds no GoogLeNet in float32 or float64; the sentence names it.
        """
        try:
            return canonical_weights(self.by_key, self.trees)
        except WeightsError as error:
            raise WeightsError(f"{os.fspath(self.path)!r}: {error}") from None


def nearest_tree(keys: Iterable[str], trees: Iterable[ModuleTree]) -> ModuleTree:
    """The tree whose keys differ least from these."""
    return min(trees, key=lambda tree: len(tree.parameters.keys() ^ set(keys)))


def canonical_weights(tensors: Mapping[str, Any], trees: Iterable[ModuleTree]) -> dict[str, Array]:
    """A canonical weights set out of the tensors of one of these trees.

    Args:
        tensors: Keys as they are in the file to arrays that are in canonical layout already.
        trees: No two of them have the same keys.

    Returns:
        116 contiguous copies under canonical names, in canonical order, in their own dtypes.

    Raises:
        WeightsError: The keys are those of no tree, with every missing and unexpected one, sorted, of the tree that is
            nearest; or shapes, dtypes or values do not fit.
    """
    tree = nearest_tree(tensors, trees)
    if differences := name_differences(tensors, tree.parameters):
        raise WeightsError(f"The tensors are not those of a GoogLeNet; nearest is {tree.name}: {differences}.")
    for key in tree.parameters:
        if isinstance(tensor := tensors[key], ForeignTensor):
            raise WeightsError(f"{key!r} is {tensor.kind}; expected dense float32 or float64, with data.")
    weights = {name: tensors[key] for key, name in tree.parameters.items()}
    check_weights(weights)
    return {name: np.array(array, order="C") for name, array in weights.items()}


def strip_common(tensors: Mapping[str, T], prefixes: Iterable[str]) -> dict[str, T]:
    """The tensors without those leading parts of their names that all of them share, each taken off once or not."""
    stripped = dict(tensors)
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in stripped):
            stripped = {name.removeprefix(prefix): array for name, array in stripped.items()}
    return stripped


def renamed(tensors: Mapping[str, T], name: Callable[[str], str]) -> dict[str, T]:
    """The tensors under other names.

    Raises:
        WeightsError: Two of them would have the same name.
    """
    origins: dict[str, str] = {}
    for old in tensors:
        new = name(old)
        if new in origins:
            raise WeightsError(f"{origins[new]!r} and {old!r} both stand for {new!r}; expected one of them.")
        origins[new] = old
    return {new: tensors[old] for new, old in origins.items()}


def _stages() -> dict[str, list[Layer]]:
    """The layers that are a stage's own children, in order: blocks as such, and none of the layers inside them."""
    stages: dict[str, list[Layer]] = {}
    for layer in GOOGLENET:
        stage, *rest = layer.name.split(".")
        if len(rest) == 1:
            stages.setdefault(stage, []).append(layer)
    return stages


def _in_block(block: Layer) -> list[Conv2d]:
    return [layer for layer in GOOGLENET.weighted if isinstance(layer, Conv2d) and layer.name.startswith(block.name)]


def _branch(layer: Layer) -> str:
    """``p1_1`` … ``p4_2``."""
    return layer.name.rpartition(".")[2]


def _sequential(branch: Callable[[Layer], str] = _branch, *, relu_is_a_layer: bool) -> dict[str, str]:
    """Layer to path where every stage is a ``Sequential`` whose children are numbers; ``fc`` comes after the last."""
    paths = {}
    stages = _stages()
    for number, children in enumerate(stages.values()):
        child = 0
        for layer in children:
            if isinstance(layer, Conv2d):
                paths[layer.name] = f"{number}.{child}"
                child += relu_is_a_layer
            elif isinstance(layer, Concat):
                paths |= {inner.name: f"{number}.{child}.{branch(inner)}" for inner in _in_block(layer)}
            child += 1
    return paths | {"fc": str(len(stages))}


def _keras_counted(stage: str, conv: str, branch: Callable[[Layer], str] | None = None) -> dict[str, str]:
    """Layer to path where Keras counts classes among siblings: ``sequential_2.inception_1.conv2d_3``.

    Args:
        stage: What it calls a stage's class.
        conv: What it calls the class of a stage's own convolution.
        branch: What it calls a layer in a block; None counts those too.
    """
    paths: dict[str, str] = {}
    for number, children in enumerate(_stages().values()):
        own = [layer for layer in children if isinstance(layer, Conv2d)]
        paths |= {layer.name: f"{_counted(stage, number)}.{_counted(conv, i)}" for i, layer in enumerate(own)}
        for i, block in enumerate(layer for layer in children if isinstance(layer, Concat)):
            for j, layer in enumerate(_in_block(block)):
                name = branch(layer) if branch else _counted("conv2d", j)
                paths[layer.name] = f"{_counted(stage, number)}.{_counted('inception', i)}.{name}"
    return paths | {"fc": "dense"}


def _keras_numbered() -> dict[str, str]:
    """Layer to class and number, where those of a class are numbered through the whole network in canonical order."""
    convolutions = [layer for layer in GOOGLENET.weighted if isinstance(layer, Conv2d)]
    return {layer.name: f"conv2d_{i}" for i, layer in enumerate(convolutions)} | {"fc": "dense_0"}


def _keras_3_project() -> dict[str, str]:
    """Layer to path of ``googlenet_tf`` in Keras 3: attributes, but for the blocks' layers, which it counts."""
    paths = _project()
    for block in GOOGLENET:
        if isinstance(block, Concat):
            paths |= {layer.name: f"{block.name}.{_counted('conv2d', i)}" for i, layer in enumerate(_in_block(block))}
    return paths


def _gluon_export() -> dict[str, str]:
    """Layer to path as Gluon's ``export`` writes it: class and count within the enclosing name scope."""
    own = [layer for children in _stages().values() for layer in children if isinstance(layer, Conv2d)]
    paths = {layer.name: f"conv{i}" for i, layer in enumerate(own)}
    blocks = [layer for layer in GOOGLENET if isinstance(layer, Concat)]
    for i, block in enumerate(blocks):
        paths |= {layer.name: f"inception{i}_conv{j}" for j, layer in enumerate(_in_block(block))}
    return paths | {"fc": "dense0"}


def _counted(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _project() -> dict[str, str]:
    return {layer.name: layer.name for layer in GOOGLENET.weighted}


PROJECT = ModuleTree("this project's tree", _project())
TORCH_SOURCE = ModuleTree("the source document's PyTorch tree", _sequential(relu_is_a_layer=True))
TORCH_NOTE = ModuleTree(
    "the study note's PyTorch tree", _sequential(lambda layer: "b" + _branch(layer)[1:], relu_is_a_layer=True)
)
GLUON_SOURCE = ModuleTree("the source document's MXNet tree", _sequential(relu_is_a_layer=False))
GLUON_EXPORT = ModuleTree("this project's tree as Gluon exports it", _gluon_export(), separator="_")
KERAS = (
    ModuleTree("this project's tree as Keras 3 writes it", _keras_3_project()),
    ModuleTree("this project's tree as Keras 2 writes it", _keras_counted("stage", "symmetric_conv2d", _branch)),
    ModuleTree("this project's padding='same' as Keras 2 writes it", _keras_counted("stage", "conv2d", _branch)),
    ModuleTree("the source document's TensorFlow tree as Keras 3 writes it", _keras_counted("sequential", "conv2d")),
    ModuleTree(
        "the source document's TensorFlow tree as Keras 2 writes it", _keras_counted("sequential", "conv2d", _branch)
    ),
    ModuleTree("the source document's TensorFlow layers as Keras 2 numbers them in .h5", _keras_numbered()),
)
"""In ``.weights.h5``, without the containers (``layers``, ``row``) that stand between the names; the last one in
Keras 2's ``.h5``, its numbers counted from 0."""

"""What a file of weights holds, whatever module tree it came from, and the way back to the canonical names.

A tensor is found by its path in its own tree, never by its position in a file: many shapes occur twice, so an order
alone would prove nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from netparity.files.tensors import ForeignTensor
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.module_tree import ModuleTree
from netparity.network.network import Network
from netparity.network.registered import RegisteredNetwork
from netparity.network.weights import check_weights, name_differences

T = TypeVar("T")


@dataclass(frozen=True)
class StoredTensors:
    """What one file holds, before anybody asks whether it fits a network.

    Attributes:
        network: The network that the trees are of.
        path: The file.
        tensors: By their names in the file, in its own layouts and dtypes; what is no array is there as it is.
        trees: The trees that such a file may be of; no two of them have the same keys.
        to_keys: Turns names in the file into a mapping of keys in a tree to those names; by default each name is its
            own key.
        to_canonical: Gives an array of the file in canonical layout.
        versions: The versions of what wrote the file, where it says so.

    Raises:
        WeightsError: From what asks for keys or weights: two names in the file would have the same key.
    """

    network: Network
    path: str | os.PathLike[str]
    tensors: Mapping[str, Any]
    trees: tuple[ModuleTree, ...]
    to_keys: Callable[[Iterable[str]], Mapping[str, str]] = lambda names: {name: name for name in names}
    to_canonical: Callable[[Array], Array] = lambda array: array
    versions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Keys in a tree to names in the file."""
        return self.to_keys(self.tensors)

    @cached_property
    def by_key(self) -> dict[str, Any]:
        """Keys in a tree to tensors, the arrays among them in canonical layout."""
        tensors = {key: self.tensors[name] for key, name in self.names.items()}
        arrays = {key: self.to_canonical(tensor) for key, tensor in tensors.items() if isinstance(tensor, np.ndarray)}
        return tensors | arrays

    @property
    def tree(self) -> ModuleTree:
        """The tree that the tensors are of, or nearest to."""
        return nearest_tree(self.by_key, self.trees)

    def weights(self) -> dict[str, Array]:
        """The canonical weights set, as :func:`canonical_weights` gives it.

        Raises:
            WeightsError: The file does not hold the network in float32 or float64; the sentence names the file.
        """
        try:
            return canonical_weights(self.network, self.by_key, self.trees)
        except WeightsError as error:
            raise WeightsError(f"{os.fspath(self.path)!r}: {error}") from None


def canonical_trees(registered: RegisteredNetwork) -> tuple[ModuleTree, ...]:
    """The trees whose kernels are OIHW and dense weights (out, in), as they are in canonical files; that of the
    canonical names first. A state dict that another program has put into safetensors is of one of the others.
    """
    own = {layer.name: layer.name for layer in registered.network.weighted}
    return registered.trees or (ModuleTree("the canonical tree", own),)


def nearest_tree(keys: Iterable[str], trees: Iterable[ModuleTree]) -> ModuleTree:
    """The tree whose keys differ least from these."""
    return min(trees, key=lambda tree: len(tree.parameters.keys() ^ set(keys)))


def canonical_weights(network: Network, tensors: Mapping[str, Any], trees: Iterable[ModuleTree]) -> dict[str, Array]:
    """A canonical weights set out of the tensors of one of these trees.

    Args:
        tensors: Keys as they are in the file to arrays that are in canonical layout already.
        trees: No two of them have the same keys.

    Returns:
        Contiguous copies under canonical names, in canonical order, in their own dtypes.

    Raises:
        WeightsError: The keys are those of no tree, with every missing and unexpected one, sorted, of the tree that is
            nearest; or shapes, dtypes or values do not fit.
    """
    tree = nearest_tree(tensors, trees)
    if differences := name_differences(tensors, tree.parameters):
        raise WeightsError(f"The tensors are not those of a {network.name}; nearest is {tree.name}: {differences}.")
    for key in tree.parameters:
        if isinstance(tensor := tensors[key], ForeignTensor):
            raise WeightsError(f"{key!r} is {tensor.kind}; expected dense float32 or float64, with data.")
    weights = {name: tensors[key] for key, name in tree.parameters.items()}
    check_weights(network, weights)
    return {name: np.array(array, order="C") for name, array in weights.items()}


def strip_common(tensors: Mapping[str, T], prefixes: Iterable[str]) -> dict[str, T]:
    """The tensors without those leading parts of their names that all of them share, each taken off once or not."""
    stripped = dict(tensors)
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in stripped):
            stripped = {name.removeprefix(prefix): array for name, array in stripped.items()}
    return stripped


def renamed(tensors: Mapping[str, T], name: Callable[[str], str]) -> dict[str, T]:
    """The tensors under other names; a :class:`WeightsError` if two of them would have the same one."""
    origins: dict[str, str] = {}
    for old in tensors:
        new = name(old)
        if new in origins:
            raise WeightsError(f"{origins[new]!r} and {old!r} both stand for {new!r}; expected one of them.")
        origins[new] = old
    return {new: tensors[old] for new, old in origins.items()}

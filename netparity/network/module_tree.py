"""The names that a network's parameters have in another module tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class ModuleTree:
    """Where the layers stand in one module tree.

    Attributes:
        name: What it is, for a message.
        layers: The canonical name of each layer with parameters to its path in this tree.
        separator: Between a layer's path and ``weight`` or ``bias``.
    """

    name: str
    layers: Mapping[str, str]
    separator: str = "."

    @property
    def canonical(self) -> bool:
        """Whether its keys are the canonical names."""
        return all(key == name for key, name in self.parameters.items())

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Each parameter's key in this tree to its canonical name, in canonical order."""
        return {
            f"{path}{self.separator}{parameter}": f"{layer}.{parameter}"
            for layer, path in self.layers.items()
            for parameter in ("weight", "bias")
        }

"""Layers' names where there is little room: by blocks, and without what all blocks' names begin with."""

from __future__ import annotations

from collections.abc import Iterable


def block_names(names: Iterable[str]) -> dict[str, str]:
    """The block that each of a network's layers is in, or joins; empty for a layer that is in none.

    A block has the name of the layer that joins it, and its layers' names begin with that.
    """
    known = tuple(names)
    blocks = {name.rpartition(".")[0] for name in known} & set(known)
    within = {name: name if name in blocks else name.rpartition(".")[0] for name in known}
    return {name: block if block in blocks else "" for name, block in within.items()}


def short_block(block: str) -> str:
    """A block's name without stage and kind: ``3a`` of ``b3.inception_3a``."""
    return block.rpartition("_")[2]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each of a network's layers' names with its block's short one: ``3a.p1_1`` of ``b3.inception_3a.p1_1``."""
    return {name: short_block(block) + name[len(block) :] for name, block in block_names(names).items()}

"""Layers' names where there is little room: by blocks, and without what all blocks' names begin with."""

from __future__ import annotations

from collections.abc import Iterable

from netparity.network.network import block_names


def short_block(block: str) -> str:
    """A block's name without stage and kind: ``3a`` of ``b3.inception_3a``."""
    return block.rpartition("_")[2]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each of a network's layers' names with its block's short one: ``3a.p1_1`` of ``b3.inception_3a.p1_1``."""
    return {name: short_block(block) + name[len(block) :] for name, block in block_names(names).items()}

"""Hashes that say whether two arrays, or two sets of weights, are the same bits, whatever file they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from netparity.network.contract import Array


def array_sha256(array: Array) -> str:
    """The SHA-256 of dtype, shape and content, in C order and little-endian."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{plain.dtype.str} {plain.shape}".encode())
    digest.update(plain.data)
    return digest.hexdigest()


def weights_sha256(weights: Mapping[str, Array]) -> str:
    """The SHA-256 of all names and arrays, in the order of the mapping; callers give the canonical one."""
    parts = "".join(f"{name} {array_sha256(weights[name])}\n" for name in weights)
    return hashlib.sha256(parts.encode()).hexdigest()

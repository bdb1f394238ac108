"""Imports MXNet under a NumPy that no longer has ``numpy.bool``.

MXNet 1.9.1 reads ``numpy.bool``, which NumPy 1.24 removed, while it is imported. The alias is there for that long and
not longer: it would change what other code in the process finds when it asks NumPy what it offers. Afterwards MXNet
misses it only under ``npx.set_np()``: in assignment through a mask or an array of indices, and where a bool is itself
the index or the value to fill with.
"""

from __future__ import annotations

import numpy as np

# vars() and not hasattr(), which makes NumPy warn about names that it has removed.
_missing = "bool" not in vars(np)
if _missing:
    vars(np)["bool"] = bool
try:
    import mxnet  # noqa: F401
finally:
    if _missing:
        del vars(np)["bool"]

"""For other people's tests: a backend held to the float64 reference, or to numbers that were kept.

>>> from netparity.testing import assert_parity
>>> assert_parity("torch")  # by the verdict of netparity run
>>> assert_parity("torch", golden="tests/golden/torch.safetensors")  # by what it gave before

With pytest there is a fixture that does the same, ``parity`` (:mod:`netparity.testing.plugin`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from netparity.compare.recording import MissingFrameworkError
    from netparity.testing.assertions import assert_parity, update_golden
else:  # pytest loads the plugin beside it in every run
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = ["MissingFrameworkError", "assert_parity", "update_golden"]

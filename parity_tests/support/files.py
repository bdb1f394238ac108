"""Files as people have them: full disks, pickles that run code, files of an older version; and bits compared."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Runs", "assert_same_bits", "files_of_at_most", "under_the_old_name"]

Array = npt.NDArray[Any]


def assert_same_bits(actual: Mapping[str, Array], desired: Mapping[str, Array]) -> None:
    assert list(actual) == list(desired)
    different = [
        name
        for name, array in desired.items()
        if (actual[name].dtype, actual[name].shape, actual[name].tobytes())
        != (array.dtype, array.shape, np.ascontiguousarray(array).tobytes())
    ]
    assert different == []
    assert all(array.flags.c_contiguous and array.flags.writeable for array in actual.values())


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, writing beyond it fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def under_the_old_name(content: bytes) -> bytes:
    """What the program wrote when its name was ``googlenet-parity``: the same file with that name in its header."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b'{"netparity ', b'{"googlenet-parity ')
    assert len(header) == length + len("googlenet-parity") - len("netparity")
    return len(header).to_bytes(8, "little") + header + content[8 + length :]

"""IDX files, the format of MNIST and its kin: a header of axes, then bytes in row-major order, gzipped or not.

The header is two zero bytes, a byte for the type (8: unsigned bytes, the only type that is read here), a byte for the
number of axes, and each axis' length as a big-endian 32-bit number (http://yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from netparity.network.errors import FileError

MAGIC = b"\0\0\x08"
GZIP_MAGIC = b"\x1f\x8b"
MOST_AXES = 32  # as many as NumPy 1 takes
MOST_BYTES = 2**30  # the largest file of this kind, EMNIST's byclass, has half as many
PIECE = 2**20


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes, gzipped or not, whatever its name.

    Memory is taken for what the file holds, not for what its header claims, and never for more than 1 GiB.

    Returns:
        A new array, in the shape that the header names; no axis is empty.

    Raises:
        FileError: The file cannot be read, is not IDX, is damaged, or is shorter or longer than its header says.
    """
    path = Path(path)
    with _unpacked(path) as file:
        magic = file.read(4)
        if len(magic) == 4 and not magic.startswith(MAGIC):
            begins = f"it begins with {magic.hex(' ')}, not 00 00 08"
            raise FileError(f"'{path}' is no IDX file of unsigned bytes: {begins}.")
        axes = magic[-1] if len(magic) == 4 else 0
        header = file.read(4 * axes)
        if len(magic) < 4 or len(header) < 4 * axes:
            raise FileError(f"'{path}' ends within its IDX header, after {len(magic) + len(header)} bytes.")
        if not 1 <= axes <= MOST_AXES:
            raise FileError(f"'{path}' claims {axes} axes; expected 1 to {MOST_AXES}.")
        shape = struct.unpack(f">{axes}I", header)
        size = math.prod(shape)
        if not 1 <= size <= MOST_BYTES:
            raise FileError(f"'{path}' claims the shape {shape}, {size} bytes; expected 1 to {MOST_BYTES}.")
        content = _read(file, size + 1)
        if len(content) < size:
            needs = f"its shape {shape} needs {size} bytes, and {len(content)} are there"
            raise FileError(f"'{path}' is truncated: {needs}.")
        if len(content) > size:
            raise FileError(f"'{path}' goes on after the {size} bytes of its shape {shape}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def idx_sha256(array: npt.NDArray[np.uint8]) -> str:
    """SHA-256, in hexadecimal, of the unpacked IDX file that holds ``array``: the same however the file was packed."""
    content = hashlib.sha256(MAGIC + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape))
    content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The file's content, unpacked where it is gzipped; what goes wrong while it is read becomes a FileError."""
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] == GZIP_MAGIC:
                with gzip.open(file) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield file
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise FileError(f"'{path}' is a damaged gzip file: {str(error).rstrip('.')}.") from None
    except OSError as error:
        raise FileError(f"Cannot read '{path}': {error.strerror or error}.") from None


def _read(file: BinaryIO, count: int) -> bytearray:
    """At most ``count`` bytes, a piece at a time, so that memory grows only with what is there."""
    content = bytearray()
    while len(content) < count and (piece := file.read(min(PIECE, count - len(content)))):
        content += piece
    return content

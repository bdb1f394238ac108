"""The one family of exceptions that bad input raises.

Every message is a sentence (or a short list) that says what was wrong, where, and what was expected,
so a command line can print it alone, without a traceback.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "FileError",
    "GoogLeNetError",
    "ImagesError",
    "OptionError",
    "UnknownLayerError",
    "WeightsError",
    "printable",
]


class GoogLeNetError(ValueError):
    """Base of every exception that this project raises on purpose."""


class OptionError(GoogLeNetError):
    """A size, count, dtype or scheme is not one that the network can have."""


class WeightsError(GoogLeNetError):
    """A weights dictionary does not fit the network: keys, shapes, dtypes or values."""


class FileError(GoogLeNetError):
    """A file cannot be read as what it should be, or cannot be written."""


class DataError(GoogLeNetError):
    """A data set is neither on this machine nor can it be downloaded."""


class ImagesError(GoogLeNetError):
    """Images, labels or a layer's inputs have the wrong rank, shape, dtype or values."""


class UnknownLayerError(GoogLeNetError):
    """A name is not the name of a layer."""


def printable(name: object) -> str:
    """A name out of a file as a sentence may have it: quoted where it holds what a terminal would obey."""
    return str(name) if str(name).isprintable() else repr(name)

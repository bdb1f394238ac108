"""The one family of exceptions that bad input raises.

Every message is a sentence (or a short list) that says what was wrong, where, and what was expected,
so a command line can print it alone, without a traceback.
"""

from __future__ import annotations


class NetparityError(ValueError):
    """Base of every exception that this project raises on purpose."""


class OptionError(NetparityError):
    """A size, count, dtype or scheme is not one that the network can have."""


class WeightsError(NetparityError):
    """A weights dictionary does not fit the network: keys, shapes, dtypes or values."""


class FileError(NetparityError):
    """A file cannot be read as what it should be, or cannot be written."""


class DataError(NetparityError):
    """A data set is neither on this machine nor can it be downloaded."""


class ImagesError(NetparityError):
    """Images, labels or a layer's inputs have the wrong rank, shape, dtype or values."""


class UnknownLayerError(NetparityError):
    """A name is not the name of a layer."""

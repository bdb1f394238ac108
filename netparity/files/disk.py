"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from netparity.network.errors import FileError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends well, and leaves no trace when it does not.

    Raises:
        FileError: The folder is missing, or the file cannot be written (permissions, a full disk).
    """
    target = Path(path)
    temporary = None
    try:
        # The target's name is no part of this one: it may be as long as the file system allows already.
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives 0600; a saved file should have the usual permissions
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise FileError(f"Cannot write {os.fspath(path)!r}: {error.strerror or error}.") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The whole file.

    Raises:
        FileError: No such file, or it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"Cannot read {os.fspath(path)!r}: {error.strerror or error}.") from None


def cache_folder(name: str) -> Path:
    """A folder of that name for what can be fetched or made again, in ``$XDG_CACHE_HOME`` or ``~/.cache``, or on macOS
    in ``~/Library/Caches``; it need not exist. Raises :class:`FileError` where there is no home folder.
    """
    caches = Path("~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return caches.expanduser() / name
    except RuntimeError:
        raise FileError("There is no home folder, and so no cache folder.") from None

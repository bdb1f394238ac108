"""The files that weights come in: known by their content, read and written by the package of their framework.

A package is met by name, and imported when a file of its framework is read or written and not before. It is the one
that makes the network in that framework, and it has a module ``checkpoint``.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from netparity.files.stored_tensors import StoredTensors
from netparity.network.contract import Array
from netparity.network.errors import FileError, OptionError
from netparity.network.frameworks import FRAMEWORKS, Framework, how_to_install
from netparity.network.registered import RegisteredNetwork
from netparity.system.stderr import quiet


class _CheckpointModule(Protocol):
    """What each framework package has under ``checkpoint``."""

    def read_tensors(self, path: str | os.PathLike[str]) -> StoredTensors: ...
    def save_checkpoint(self, path: str | os.PathLike[str], weights: Mapping[str, Array]) -> None: ...


@dataclass(frozen=True)
class FileFormat:
    """One kind of file.

    Attributes:
        name: Name of the format, for messages.
        endings: The endings of the names that such files have and get.
        read_endings: Further endings that such files may have, and do not get.
        framework: The framework whose package reads and writes it; None where NumPy alone does.
    """

    name: str
    endings: tuple[str, ...]
    read_endings: tuple[str, ...] = ()
    framework: Framework | None = None

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.endings)})"

    def module(self, path: str | os.PathLike[str], registered: RegisteredNetwork) -> _CheckpointModule:
        """The module that reads and writes such files of a network, its framework imported.

        Args:
            path: The file that it is needed for, which the sentence names.
            registered: The network.

        Raises:
            FileError: The framework is not installed, or cannot be imported; or no package has the network in it.
        """
        assert self.framework is not None
        need = f"{os.fspath(path)!r} is a file of {self.name}"
        maker = registered.makers.get(self.framework.name)
        if maker is None:
            raise FileError(f"{need}, and no package has {registered.network.name} in {self.framework.title}.")
        package = maker.partition(":")[0]
        try:
            with quiet():
                return cast(_CheckpointModule, import_module(f"{package}.checkpoint"))
        except ModuleNotFoundError as error:
            if error.name and f"{package}.checkpoint.".startswith(f"{error.name}."):
                raise FileError(
                    f"{need}, and no Python module {error.name!r} is there to read {registered.network.name} from it."
                ) from None
            raise FileError(
                f"{need}, which needs {self.framework.title}, and that is not installed (there is no Python module "
                f"{error.name!r}): {how_to_install(self.framework.name)}."
            ) from None
        except ImportError as error:
            words = " ".join(str(error).split())
            raise FileError(
                f"{need}, whose package {package!r} is installed and cannot be imported: {words}."
            ) from None


SAFETENSORS = FileFormat("safetensors", (".safetensors",))
OF_FRAMEWORKS = {
    name: FileFormat(framework.files or framework.title, framework.endings, framework.read_endings, framework)
    for name, framework in FRAMEWORKS.items()
}
"""The format of each framework's own files, by the framework's name."""

FORMATS = (SAFETENSORS, *OF_FRAMEWORKS.values())

HDF5 = b"\x89HDF\r\n\x1a\n"
PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
"""PyTorch's files from before 1.6, and what ``pickle.dump`` writes."""
MXNET_LIST = (0x112).to_bytes(8, "little") + bytes(8)
"""``kMXAPINDArrayListMagic`` of MXNet's ``src/ndarray/ndarray.cc``, and eight bytes that it keeps free."""
ZIP = b"PK\x03\x04"

OTHERS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "compressed by gzip",
    b"\x93NUMPY": "a NumPy array",
    b"version https://git-lfs": "a pointer of Git LFS, in whose place 'git lfs pull' puts the file itself",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    ZIP: "a zip archive of something else",
}
"""What people take for weights now and then, by how it begins, in letters of any size."""


def recognise(path: str | os.PathLike[str]) -> FileFormat:
    """The format of a file, by its content; its name counts in the message alone.

    Raises:
        FileError: No such file, an empty one, or none of :data:`FORMATS`.
    """
    where = repr(os.fspath(path))
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            raise FileError(f"{where} is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}; expected a file.")
        with Path(path).open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise FileError(f"Cannot read {where}: {error.strerror or error}.") from None
    if not head:
        raise FileError(f"{where} is empty; expected a file of weights.")
    if found := _by_content(path, head):
        return found
    named = next((found for found in FORMATS if os.fspath(path).endswith(found.endings + found.read_endings)), None)
    what = next((words for start, words in OTHERS.items() if head.lstrip().lower().startswith(start.lower())), None)
    if named:
        reason = f"; it is {what}" if what else ", or its beginning is damaged"
        raise FileError(f"{where} is no file of {named.name}, although its name says so{reason}.")
    known = _or([str(found) for found in FORMATS])
    raise FileError(f"{where} is {what or 'no file of weights that is known here'}; expected a file of {known}.")


def _by_content(path: str | os.PathLike[str], head: bytes) -> FileFormat | None:
    for start, framework in ((HDF5, "tf"), (MXNET_LIST, "mx"), (PICKLES, "torch")):
        if head.startswith(start):
            return OF_FRAMEWORKS[framework]
    if head.startswith(ZIP):
        return _by_members(_members(path, head))
    # A safetensors file begins with the length of its header, in eight bytes; the header is a JSON object.
    return SAFETENSORS if re.match(rb'\{\s*["}]', head[8:]) else None


def _members(path: str | os.PathLike[str], head: bytes) -> list[str]:
    """The names in a zip archive; of one that is cut short, its first, which its beginning has."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, OSError):
        length = int.from_bytes(head[26:28], "little")
        return [head[30 : 30 + length].decode("utf-8", errors="replace")]


def _by_members(names: list[str]) -> FileFormat | None:
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return OF_FRAMEWORKS["torch"]
    return OF_FRAMEWORKS["tf"] if {"config.json", "metadata.json", "model.weights.h5"} & set(names) else None


def format_to_write(path: str | os.PathLike[str]) -> FileFormat:
    """The format of a file that is to be written, by its name.

    Raises:
        OptionError: The name has none of the endings.
    """
    for found in FORMATS:
        if os.fspath(path).endswith(found.endings):
            return found
    endings = [ending for found in FORMATS for ending in found.endings]
    raise OptionError(f"{os.fspath(path)!r} does not say its format; expected a name that ends in {_or(endings)}.")


def _or(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"

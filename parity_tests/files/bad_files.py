"""Files, and names for files, that are refused with one sentence."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.weights import init_weights
from netparity.files.tensors import save_tensors
from parity_tests.files.formats import ENDINGS, write
from parity_tests.support.backends import require
from parity_tests.support.files import Runs

__all__ = ["BAD", "contents", "folder", "saved", "there"]

Array = npt.NDArray[Any]


def evil(at: Path, writer: str) -> Path:
    """A file that would make another one if it were unpickled."""
    require("torch")
    import torch

    with (at / "in.pt").open("wb") as file:
        (pickle.dump if writer == "pickle" else torch.save)({"fc.bias": Runs(at / "made")}, file)
    return at / "in.pt"


def no_weights(at: Path) -> Path:
    require("tf")
    import h5py

    with h5py.File(at / "in.h5", "w") as file:
        file["table"] = np.zeros((3, 4))
        file["words"] = "no array, but text"
    return at / "in.h5"


def made(at: Path, content: bytes, name: str = "in.pt") -> Path:
    (at / name).write_bytes(content)
    return at / name


def saved(at: Path, **changes: Array) -> Path:
    save_tensors(at / "in.safetensors", "weights", init_weights(0) | changes, {})
    return at / "in.safetensors"


def two_dtypes(at: Path) -> Path:
    require("tf")
    return saved(at, **{"fc.bias": np.zeros(10)})


def cut(at: Path, suffix: str, size: int) -> Path:
    write(at / f"in{suffix}", init_weights(0), ENDINGS[suffix])
    os.truncate(at / f"in{suffix}", size)
    return at / f"in{suffix}"


def zipped(at: Path) -> Path:
    with zipfile.ZipFile(at / "in.keras", "w") as archive:
        archive.writestr("words.txt", "words")
    return at / "in.keras"


def newer(at: Path) -> Path:
    return made(at, saved(at).read_bytes().replace(rb"\"format_version\": 1}", rb"\"format_version\": 9}"))


def kind(at: Path, name: str) -> Path:
    save_tensors(at / "in.safetensors", name, {"loss": np.zeros(1)}, {})
    return at / "in.safetensors"


def there(at: Path, name: str = "out.pt") -> str:
    (at / name).write_text("precious", encoding="utf-8")
    return name


def fifo(at: Path) -> Path:
    os.mkfifo(at / "in.pt")
    return at / "in.pt"


def link(at: Path) -> str:
    (at / "out.safetensors").symlink_to(saved(at))
    return "out.safetensors"


SAFE = "out.safetensors"

BAD: dict[str, tuple[Callable[[Path], Path], Callable[[Path], str] | str, str]] = {
    "no such file": (lambda at: at / "in.pt", SAFE, "Cannot read '{at}/in.pt': No such file or directory."),
    "a folder": (lambda at: at, SAFE, "'{at}' is a folder; expected a file."),
    "a pipe": (fifo, SAFE, "'{at}/in.pt' is no regular file; expected a file."),
    "empty": (lambda at: made(at, b""), SAFE, "'{at}/in.pt' is empty; expected a file of weights."),
    "text": (
        lambda at: made(at, b"once upon a time", "in"),
        SAFE,
        "'{at}/in' is no file of weights that is known here; expected a file of safetensors (.safetensors), PyTorch",
    ),
    "text by the name of weights": (
        lambda at: made(at, b"once upon a time"),
        SAFE,
        "'{at}/in.pt' is no file of PyTorch, although its name says so, or its beginning is damaged.",
    ),
    "a picture": (
        lambda at: made(at, b"\x89PNG\r\n\x1a\n" + bytes(50)),
        SAFE,
        "no file of PyTorch, although its name says so; it is a PNG picture.",
    ),
    "a pointer of Git LFS": (
        lambda at: made(at, b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "in.params"),
        SAFE,
        "no file of MXNet, although its name says so; it is a pointer of Git LFS",
    ),
    "a web page": (lambda at: made(at, b"\n <!DOCTYPE html>", "in"), SAFE, "'{at}/in' is a web page; expected a"),
    "another zip": (zipped, SAFE, "although its name says so; it is a zip archive of something else."),
    "cut short safetensors": (
        lambda at: cut(at, ".safetensors", 10**6),
        SAFE,
        "is a safetensors file that is damaged or",
    ),
    "cut short .pt": (lambda at: cut(at, ".pt", 10**6), SAFE, "'{at}/in.pt' is not a whole PyTorch file"),
    "cut short .keras": (lambda at: cut(at, ".keras", 10**6), SAFE, "is not a whole file of Keras weights"),
    "cut short .weights.h5": (lambda at: cut(at, ".weights.h5", 10**6), SAFE, "is not a whole file of Keras weights"),
    "cut short .params": (lambda at: cut(at, ".params", 10**6), SAFE, "is not a whole file of MXNet arrays"),
    "a pickle": (lambda at: evil(at, "pickle"), SAFE, "(pathlib.Path.touch, pathlib.PosixPath) could run code and is"),
    "a pickle in a PyTorch file": (lambda at: evil(at, "torch"), SAFE, "pathlib.PosixPath) could run code and is not"),
    "a .h5 that is no weights file": (no_weights, SAFE, "2 unexpected: table, words."),
    "a trace": (lambda at: kind(at, "trace"), SAFE, "'{at}/in.safetensors' is a trace, which holds no weights."),
    "another kind": (lambda at: kind(at, "te\x1bars"), SAFE, r"is a te\x1bars, which holds no weights."),
    "a newer version": (newer, SAFE, "has format version 9; this program reads up to 1."),
    "no number": (
        lambda at: saved(at, **{"fc.bias": np.full(10, np.nan, np.float32)}),
        SAFE,
        "'fc.bias' holds nan at (0,), expected finite numbers.",
    ),
    "another tensor": (
        lambda at: saved(at, **{"a\x1b": np.zeros(2)}),
        SAFE,
        r"nearest is this project's tree: 1 unexpected: a\x1b.",
    ),
    "two dtypes for Keras": (
        two_dtypes,
        "out.keras",
        "The weights are float32 and float64; a Keras model has one dtype.",
    ),
    "an ending that is unknown": (
        saved,
        "out.bin",
        "expected a name that ends in .safetensors, .pt, .pth, .keras, .weights.h5 or .params.",
    ),
    "an .h5 that would be ambiguous": (saved, "out.h5", "'{at}/out.h5' does not say its format; expected"),
    "no ending": (saved, "out", "'{at}/out' does not say its format; expected a name that ends in"),
    "a file that is there": (saved, there, "'{at}/out.pt' is there already; --force writes over it."),
    "a folder in its place": (saved, lambda at: folder(at, "out.pt"), "Cannot write '{at}/out.pt': it is a folder."),
    "a folder that is missing": (saved, "no/out.pt", "Cannot write '{at}/no/out.pt': there is no folder '{at}/no'."),
    "itself": (saved, "in.safetensors", "'{at}/in.safetensors' is what is to be read; expected another name for"),
    "itself by another name": (saved, link, "'{at}/out.safetensors' is what is to be read; expected another name"),
}


def folder(at: Path, name: str) -> str:
    (at / name).mkdir()
    return name


def contents(at: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in at.rglob("*")}

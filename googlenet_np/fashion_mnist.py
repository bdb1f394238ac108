"""Fashion-MNIST: 60,000 images to train on and 10,000 to test with, of ten kinds of clothes.

Xiao, Rasul & Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv 1708.07747; MIT licence, Zalando SE. Four IDX files, found on this machine or downloaded.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from googlenet_np.idx import idx_sha256, read_idx
from netparity.files.disk import cache_folder
from netparity.network.errors import DataError, FileError, ImagesError, OptionError
from netparity.network.images import check_labels
from netparity.system.progress import ProgressListener

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""What the labels 0 … 9 mean."""

VARIABLE = "GOOGLENET_DATA"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
# The official location (https://github.com/zalandoresearch/fashion-mnist, "Get the Data"); it has no https.
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
SPLITS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# SHA-256 of the unpacked files. Those of Debian's package, packed again under the official archives' names and times,
# give the official archives: the MD5 sums that the authors publish, and the SHA-256 sums below.
UNPACKED_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
ARCHIVE_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


class FashionMNIST(NamedTuple):
    """One split: images (N, 28, 28), uint8, 0 for the background; labels (N,), int64, in 0 … 9."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def load_fashion_mnist(
    split: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    verify: bool = True,
    download: bool = True,
    progress: ProgressListener | None = None,
) -> FashionMNIST:
    """The images and labels of a split, in the order of their files.

    Args:
        split: ``"train"`` (60,000 images) or ``"test"`` (10,000).
        folder: Where the files are; see :func:`find_fashion_mnist`, which also takes ``download`` and ``progress``.
        verify: Whether the content must be Fashion-MNIST's, by its SHA-256. False takes other data of the same form,
            such as MNIST or a part of Fashion-MNIST; all other checks remain.

    Raises:
        OptionError: Another split.
        DataError: The files cannot be found or downloaded.
        FileError: A file cannot be read, is damaged, is not what its name says, or has the wrong hash.
        ImagesError: A label is not in 0 … 9, or there are not as many labels as images.
    """
    if split not in SPLITS:
        raise OptionError(f"The split is {split!r}; expected {' or '.join(map(repr, SPLITS))}.")
    found = find_fashion_mnist(folder, download=download, progress=progress)
    images_name, labels_name = SPLITS[split]
    images = _read(found, images_name, "images (N, 28, 28)", (28, 28), verify)
    labels = _read(found, labels_name, "labels (N,)", (), verify).astype(np.int64)
    try:
        check_labels(labels, len(images), len(CLASSES))
    except ImagesError as error:
        raise ImagesError(f"'{_file(found, labels_name)}': {error}") from None
    return FashionMNIST(images, labels)


def find_fashion_mnist(
    folder: str | os.PathLike[str] | None = None, *, download: bool = True, progress: ProgressListener | None = None
) -> Path:
    """The folder that holds the four files, each gzipped (``….gz``) or not.

    Looked for in this order: ``folder``; the folder that ``$GOOGLENET_DATA`` names; the user's cache folder; Debian's
    ``/usr/share/datasets/fashion-mnist``. One of the first two, where it is given, must hold them. When no folder has
    them, those that are missing are downloaded into the cache folder from the authors' own location.

    Args:
        download: Whether they may be downloaded; needs pooch (``pip install 'googlenet-parity[data]'``).
        progress: Called while a file is downloaded, with its name, the bytes that are here, the bytes in all, and the
            word ``"downloading"``, as :class:`~netparity.ProgressListener` has it.

    Raises:
        DataError: The folder that was named lacks some of the files; or they are nowhere and cannot be downloaded.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE) or None
    if named is not None:
        if missing := _missing(Path(named)):
            by = "" if folder is not None else f", which ${VARIABLE} names,"
            expected = "expected the four files of Fashion-MNIST, each as it is or with .gz"
            raise DataError(f"The folder '{os.fspath(named)}'{by} holds no {', '.join(missing)}; {expected}.")
        return Path(named)
    cache = _cache_folder()
    for place in (cache, DEBIAN_FOLDER):
        if not _missing(place):
            return place
    if not download:
        raise _nowhere("it may not be downloaded")
    _download(cache, progress)
    return cache


def _missing(folder: Path) -> list[str]:
    return [name for name in UNPACKED_SHA256 if _file(folder, name) is None]


def _file(folder: Path, name: str) -> Path | None:
    """The unpacked file where there is one, for it is read faster; else the archive, if there is one."""
    for path in (folder / name, folder / f"{name}.gz"):
        with suppress(OSError):  # a folder that may not be searched, a name that is too long
            if path.exists():
                return path
    return None


def _cache_folder() -> Path:
    try:
        return cache_folder("googlenet-parity") / "fashion-mnist"
    except FileError as error:
        raise DataError(f"{str(error).removesuffix('.')}; let ${VARIABLE} name a folder.") from None


def _read(folder: Path, name: str, what: str, item_shape: tuple[int, ...], verify: bool) -> npt.NDArray[np.uint8]:
    path = _file(folder, name) or folder / name
    array = read_idx(path)
    if array.shape[1:] != item_shape:
        raise FileError(f"'{path}' holds an array of shape {array.shape}; expected {what}.")
    if verify and (actual := idx_sha256(array)) != UNPACKED_SHA256[name]:
        wrong = f"'{path}' is not the file of Fashion-MNIST: unpacked, its SHA-256 is {actual}"
        raise FileError(f"{wrong}; expected {UNPACKED_SHA256[name]}.")
    return array


def _nowhere(reason: str) -> DataError:
    return DataError(
        f"Fashion-MNIST is not on this machine, and {reason}; three ways to get it: name a folder with its four files "
        f"(--data DIR, or ${VARIABLE}), install Debian's package dataset-fashion-mnist, or have it downloaded, which "
        f"needs a network connection and pooch (pip install 'googlenet-parity[data]')."
    )


def _download(folder: Path, progress: ProgressListener | None) -> None:
    """Downloads what ``folder`` lacks: pooch writes a file beside its place, and renames it if its hash is right."""
    try:
        import pooch
    except ImportError:
        raise _nowhere("pooch, which would download it, is not installed") from None
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        for name, sha256 in ARCHIVE_SHA256.items():
            bar = _Bar(name, progress) if progress else False
            pooch.retrieve(URL + name, sha256, name, folder, downloader=pooch.HTTPDownloader(bar, chunk_size=2**16))
    except (OSError, ValueError) as error:  # every exception of requests is an OSError; a wrong hash is a ValueError
        raise _nowhere(f"downloading {URL + name} failed ({_reason(error)})") from None
    finally:
        logger.setLevel(level)


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "what came has the wrong hash and was not kept"
    if not hasattr(error, "response"):
        return str(error)  # a full disk, a folder that may not be written to
    if error.response is None:
        return f"no connection, or a broken one: {type(error).__name__}"
    return f"the server answers {error.response.status_code} {error.response.reason}"


class _Bar:
    """The progress bar that pooch wants, for a listener."""

    def __init__(self, name: str, progress: ProgressListener) -> None:
        self.name, self.progress = name, progress
        self.done = self.total = 0

    def update(self, count: int) -> None:
        self.done += count
        self.progress(self.name, min(self.done, self.total), self.total, "downloading")

    def reset(self) -> None:
        """Does nothing: it comes before the last update, which completes the bar."""

    close = reset

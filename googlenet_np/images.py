"""Images that go into a network: the sixteen samples that ship with the package, a caller's own, and their checks.

The samples are real: sixteen test images of Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747; MIT licence,
Zalando SE), which cover its ten classes: the first test image of each class and the six earliest others, that is
numbers 0 to 13, 18 and 19. ``tools/make_sample_images.py`` made the sheet that holds them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import check_count, check_image_size
from googlenet_np.backend import Batch
from googlenet_np.errors import FileError, ImagesError
from googlenet_np.layout import nhwc_to_nchw

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["check_images", "check_labels", "checked_batches", "image_files", "load_images", "sample_images"]

Array = npt.NDArray[Any]

SAMPLE_SHEET_FILE = Path(__file__).parent / "data" / "fashion_mnist_16.png"
SAMPLE_LABELS_FILE = SAMPLE_SHEET_FILE.with_suffix(".json")
SHEET_SIDE = 4
"""The sheet has 4 x 4 tiles, in row-major order."""
TILE_SIDE = 28
"""A tile has 28 x 28 pixels."""

NPY_MAGIC = b"\x93NUMPY"


def sample_images(
    batch_size: int = 16, *, image_size: tuple[int, int] = (96, 96), in_channels: int = 1
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Real images and their labels: the samples, resized by Pillow's bilinear filter, then divided by 255.

    Image i is sample i modulo 16. From the seventeenth on, each round of sixteen is rolled one pixel further to the
    right, so that a batch does not repeat itself. Channel c of image i is sample (i + c) modulo 16: the channels
    differ, so that a swapped channel order shows.

    Args:
        batch_size: How many images.
        image_size: Height and width in pixels.
        in_channels: Channels of each image.

    Returns:
        Images (N, C, H, W), float32 in [0, 1], and labels (N,), int64 in 0 … 9: the class of the first channel.

    Raises:
        OptionError: A count or a size is not a whole number of 1 or more.
    """
    check_count("batch_size", batch_size)
    check_count("in_channels", in_channels)
    check_image_size(image_size)
    samples = prepare_images(_tiles(), image_size)[:, 0]  # 16 x H x W
    labels = np.array(json.loads(SAMPLE_LABELS_FILE.read_text(encoding="utf-8"))["labels"], np.int64)

    count = len(samples)
    number = np.arange(batch_size)
    images = samples[(number[:, None] + np.arange(in_channels)) % count]  # N x C x H x W
    for start in range(count, batch_size, count):
        images[start : start + count] = np.roll(images[start : start + count], start // count, axis=3)
    return images, labels[number % count]


def load_images(path: str | os.PathLike[str], *, image_size: tuple[int, int] = (96, 96), in_channels: int = 1) -> Array:
    """A caller's own images, from a ``.npy`` file or from a folder of image files.

    Args:
        path: A ``.npy`` file of one array (N, C, H, W), float32 or float64, or uint8 which is divided by 255; it
            keeps its own size. Or a folder in which every file is an image that Pillow reads, at most 8 bits deep:
            they are taken in order of their names (names that begin with a dot are left out), converted to grey or
            RGB, resized by the bilinear filter, and divided by 255.
        image_size: Height and width to which image files are resized.
        in_channels: Channels that the images must have; of image files, 1 makes grey and 3 makes RGB.

    Returns:
        Images (N, C, H, W), as :func:`check_images` wants them; float32 from image files and from uint8.

    Raises:
        FileError: No such file or folder, or a file that cannot be read as what it should be.
        ImagesError: The images do not fit; see :func:`check_images`.
        OptionError: A count or a size is not a whole number of 1 or more.
    """
    check_count("in_channels", in_channels)
    check_image_size(image_size)
    path = Path(path)
    images = _load_folder(path, image_size, in_channels) if path.is_dir() else _load_npy(path)
    try:
        check_images(images, in_channels)
    except ImagesError as error:
        raise ImagesError(f"'{path}': {error}") from None
    return images


def image_files(folder: Path) -> list[Path]:
    """The files that :func:`load_images` reads of a folder, in its order.

    Raises:
        FileError: It cannot be read, or there are none.
    """
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise FileError(f"Cannot read the folder '{folder}': {error.strerror or error}.") from None
    if not files:
        raise FileError(f"The folder '{folder}' holds no image files.")
    return files


def prepare_images(images: npt.NDArray[np.uint8], image_size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Grey images as a network takes them: resized by Pillow's bilinear filter, as bytes, then divided by 255.

    Args:
        images: (N, h, w), uint8; N may be 0.
        image_size: The new height and width.

    Returns:
        (N, 1, H, W), float32 in [0, 1], contiguous.
    """
    from PIL import Image

    prepared = np.empty((len(images), 1, *image_size), np.float32)
    for image, place in zip(images, prepared, strict=True):
        place[0] = _pixels(Image.fromarray(image), image_size)
    return prepared


def check_images(images: Array, in_channels: int | None = None) -> None:
    """Raises unless ``images`` are what a network takes: (N, C, H, W), float32 or float64, finite, none empty.

    Args:
        images: The images; their values may be of any size.
        in_channels: The C that they must have; None takes any.

    Raises:
        ImagesError: With the first thing that is wrong, where it is, and what was expected.
    """
    if not isinstance(images, np.ndarray):
        raise ImagesError(f"The images are a {type(images).__name__}; expected a NumPy array (N, C, H, W).")
    if images.dtype == np.uint8:
        raise ImagesError("The images have dtype uint8; expected float32 or float64: divide by 255 for [0, 1].")
    if images.dtype not in (np.float32, np.float64):
        raise ImagesError(f"The images have dtype {images.dtype}; expected float32 or float64.")
    if images.ndim != 4:
        raise ImagesError(f"The images have shape {images.shape}; expected four axes (N, C, H, W).")
    for axis, length in zip(("batch", "channel axis", "height", "width"), images.shape, strict=True):
        if length == 0:
            raise ImagesError(f"The images have shape {images.shape}: the {axis} is empty; expected 1 or more.")
    if in_channels is not None and images.shape[1] != in_channels:
        raise ImagesError(f"The images have {images.shape[1]} channels (shape {images.shape}); expected {in_channels}.")
    finite = np.isfinite(images)
    if not finite.all():
        where = _first(~finite)
        raise ImagesError(f"The images hold {images[where]} at (n, c, h, w) = {where}; expected finite numbers.")


def check_labels(labels: Array, batch_size: int, num_classes: int) -> None:
    """Raises unless ``labels`` are class numbers for a batch: (N,), integer, in 0 … ``num_classes`` - 1.

    Args:
        labels: The labels.
        batch_size: The N that they must have.
        num_classes: Logits of the network.

    Raises:
        ImagesError: With the first thing that is wrong, where it is, and what was expected.
    """
    if not isinstance(labels, np.ndarray):
        raise ImagesError(f"The labels are a {type(labels).__name__}; expected a NumPy array (N,).")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ImagesError(f"The labels have dtype {labels.dtype}; expected an integer dtype.")
    if labels.shape != (batch_size,):
        raise ImagesError(f"The labels have shape {labels.shape}; expected ({batch_size},), one for each image.")
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        where = _first(outside)
        raise ImagesError(f"Label {where[0]} is {labels[where]}; expected 0 to {num_classes - 1}.")


def checked_batches(
    batches: Iterable[Batch],
    in_channels: int,
    num_classes: int,
    dtype: npt.DTypeLike,
    *,
    may_be_empty: bool = False,
) -> Iterator[Batch]:
    """Batches as a training loop takes them, each checked when its turn comes.

    Args:
        batches: Images (N, C, H, W) and labels (N,).
        in_channels: The C that they must have.
        num_classes: Logits of the network.
        dtype: Of its arithmetic.
        may_be_empty: Whether N may be 0, as it may in one process's part of a batch.

    Yields:
        Images in ``dtype`` and labels, int64; contiguous and writeable: new arrays only where the caller's are not so.

    Raises:
        ImagesError: As of :func:`check_images` and :func:`check_labels`.
    """
    for images, labels in batches:
        if not (may_be_empty and len(images) == len(labels) == 0):
            check_images(images, in_channels)
            check_labels(labels, len(images), num_classes)
        yield np.require(images, dtype, ["C", "W"]), np.require(labels, np.int64, ["C", "W"])


def _first(mask: Array) -> tuple[int, ...]:
    """The first position, in row-major order, where ``mask`` is true."""
    return tuple(int(axis) for axis in np.unravel_index(int(mask.argmax()), mask.shape))


def _tiles() -> npt.NDArray[np.uint8]:
    """The sixteen samples as they are, 16 x 28 x 28."""
    from PIL import Image

    with Image.open(SAMPLE_SHEET_FILE) as sheet:
        rows = np.asarray(sheet).reshape(SHEET_SIDE, TILE_SIDE, SHEET_SIDE, TILE_SIDE)
    return rows.swapaxes(1, 2).reshape(SHEET_SIDE**2, TILE_SIDE, TILE_SIDE)


def _pixels(image: Image.Image, image_size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resized pixels in [0, 1]: (H, W) of a grey image, (H, W, 3) of an RGB one."""
    from PIL import Image

    height, width = image_size
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32) / np.float32(255)


def _load_folder(folder: Path, image_size: tuple[int, int], in_channels: int) -> Array:
    if in_channels not in (1, 3):
        raise ImagesError(
            f"Image files give 1 channel (grey) or 3 (RGB), not {in_channels}; give the images of '{folder}' as .npy."
        )
    mode = "L" if in_channels == 1 else "RGB"
    images = np.stack([_load_image(file, image_size, mode) for file in image_files(folder)])
    return images[:, None] if in_channels == 1 else np.ascontiguousarray(nhwc_to_nchw(images))


def _load_image(file: Path, image_size: tuple[int, int], mode: str) -> npt.NDArray[np.float32]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ImagesError(f"'{file}' is deeper than 8 bits (Pillow mode {image.mode}); give it as .npy.")
            return _pixels(image.convert(mode), image_size)
    except ImagesError:
        raise
    except Exception as error:
        # On damaged files Pillow's readers raise whatever they trip over: OSError, SyntaxError, struct.error, …
        raise FileError(f"Cannot read '{file}' as an image: {error}.") from None


def _load_npy(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            magic = file.read(len(NPY_MAGIC))
        if magic != NPY_MAGIC:
            raise FileError(f"'{path}' is neither a .npy file nor a folder of image files.")
        # Mapped, not read: a header that claims more than the file holds is refused before memory is taken for it.
        with np.errstate(over="ignore"):
            images: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise FileError(f"Cannot read '{path}': {error.strerror or error}.") from None
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"Cannot read '{path}' as a .npy file of numbers: {error}.") from None
    if images.dtype == np.uint8:
        return np.divide(images, 255, dtype=np.float32)
    return np.array(images, dtype=images.dtype.newbyteorder("="), order="C", subok=False)

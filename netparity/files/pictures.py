"""A caller's own images, from array files and picture files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netparity.network.contract import Array
from netparity.network.errors import FileError, ImagesError
from netparity.network.images import check_images
from netparity.network.layout import nhwc_to_nchw
from netparity.network.network import check_count, check_image_size

if TYPE_CHECKING:
    from PIL import Image

NPY_MAGIC = b"\x93NUMPY"


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
    """The files that :func:`load_images` reads of a folder, in its order; a :class:`FileError` if there are none."""
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise FileError(f"Cannot read the folder '{folder}': {error.strerror or error}.") from None
    if not files:
        raise FileError(f"The folder '{folder}' holds no image files.")
    return files


def resized_pixels(image: Image.Image, image_size: tuple[int, int]) -> npt.NDArray[np.float32]:
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
            return resized_pixels(image.convert(mode), image_size)
    except ImagesError:
        raise
    except Exception as error:
        # On damaged files Pillow's readers raise whatever they trip over: OSError, SyntaxError, struct.error, …
        raise FileError(f"Cannot read '{file}' as an image: {error}.") from None


def _load_npy(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            if file.read(len(NPY_MAGIC)) != NPY_MAGIC:
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

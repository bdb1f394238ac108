"""Makes the sample images in ``googlenet_np/data`` from the Fashion-MNIST test set; run it again at any time.

    python tools/make_sample_images.py [FOLDER]

FOLDER holds ``t10k-images-idx3-ubyte.gz`` and ``t10k-labels-idx1-ubyte.gz``; Debian's package
``dataset-fashion-mnist`` puts them in /usr/share/datasets/fashion-mnist, the default. The format is IDX: a header of
big-endian 32-bit numbers (magic number, then each axis' length), then bytes in row-major order.

The rule: the first test image of each of the ten classes and the six earliest others, in the test set's own order.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from googlenet_np.images import SAMPLE_LABELS_FILE, SAMPLE_SHEET_FILE, SHEET_SIDE, TILE_SIDE

DEFAULT_FOLDER = "/usr/share/datasets/fashion-mnist"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def main(folder: str = DEFAULT_FOLDER) -> None:
    images = read_idx(Path(folder) / "t10k-images-idx3-ubyte.gz")  # 10000 x 28 x 28
    labels = read_idx(Path(folder) / "t10k-labels-idx1-ubyte.gz")  # 10000
    chosen = choose(labels, SHEET_SIDE**2)

    # Rows of tiles, each tile's own rows, columns of tiles, each tile's own columns: the sheet in row-major order.
    tiles = images[chosen].reshape(SHEET_SIDE, SHEET_SIDE, TILE_SIDE, TILE_SIDE)
    sheet = np.block([list(row) for row in tiles])
    Image.fromarray(sheet).save(SAMPLE_SHEET_FILE, optimize=True)

    record = {
        "source": "Fashion-MNIST, test set (t10k)",
        "rule": "the first test image of each class and the six earliest others, in test-set order",
        "indices": chosen,
        "labels": labels[chosen].tolist(),
        "classes": CLASSES,
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    SAMPLE_LABELS_FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The bytes of a gzipped IDX file of unsigned bytes, in the shape that its header names."""
    content = gzip.decompress(path.read_bytes())
    unsigned_byte, rank = content[2], content[3]
    if content[:2] != b"\0\0" or unsigned_byte != 0x08:
        raise SystemExit(f"{path} is no IDX file of unsigned bytes.")
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def choose(labels: npt.NDArray[Any], count: int) -> list[int]:
    """Positions of the first label of each class and of the earliest others, ``count`` in all, in rising order."""
    _, first = np.unique(labels, return_index=True)
    others = np.setdiff1d(np.arange(len(labels)), first)[: count - len(first)]
    return sorted(np.concatenate([first, others]).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Makes the sample images in ``googlenet_np/data`` from the Fashion-MNIST test set; run it again at any time.

    python tools/make_sample_images.py [FOLDER]

FOLDER holds the four files of Fashion-MNIST; without it they are found, or downloaded, as for a training.

The rule: the first test image of each of the ten classes and the six earliest others, in the test set's own order.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from googlenet_np.fashion_mnist import CLASSES, load_fashion_mnist
from googlenet_np.images import SAMPLE_LABELS_FILE, SAMPLE_SHEET_FILE, SHEET_SIDE, TILE_SIDE


def main(folder: str | None = None) -> None:
    images, labels = load_fashion_mnist("test", folder)  # 10000 x 28 x 28, 10000
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


def choose(labels: npt.NDArray[Any], count: int) -> list[int]:
    """Positions of the first label of each class and of the earliest others, ``count`` in all, in rising order."""
    _, first = np.unique(labels, return_index=True)
    others = np.setdiff1d(np.arange(len(labels)), first)[: count - len(first)]
    return sorted(np.concatenate([first, others]).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])

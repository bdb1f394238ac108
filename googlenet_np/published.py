"""What was published of GoogLeNet: the paper's Table 1, and what the source document's training came to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from netparity.network.published import PublishedRow, PublishedTable, PublishedTraining

PAPER = PublishedTable(
    title="Beside the paper's Table 1 (arXiv 1409.4842), at 3×224×224 and 1000 classes",
    rows=(
        PublishedRow("conv1", ("b1.conv",), 2.7, 34),
        PublishedRow("conv2", ("b2.conv1", "b2.conv2"), 112, 360),
        PublishedRow("3a", ("b3.inception_3a",), 159, 128),
        PublishedRow("3b", ("b3.inception_3b",), 380, 304),
        PublishedRow("4a", ("b4.inception_4a",), 364, 73),
        PublishedRow("4b", ("b4.inception_4b",), 437, 88),
        PublishedRow("4c", ("b4.inception_4c",), 463, 100),
        PublishedRow("4d", ("b4.inception_4d",), 580, 119),
        PublishedRow("4e", ("b4.inception_4e",), 840, 170),
        PublishedRow("5a", ("b5.inception_5a",), 1072, 54),
        PublishedRow("5b", ("b5.inception_5b",), 1388, 71),
        PublishedRow("linear", ("fc",), 1000, 1),
    ),
    in_channels=3,
    num_classes=1000,
    image_size=(224, 224),
    # With 1024, and not with 1000, its channel numbers give its 112 K for conv2, 159 K for 3a, 380 K for 3b.
    kilo=1024,
    # 359.7 million multiply-adds are its 360 M of conv2.
    mega=1_000_000,
    # The paper counts no biases. The figures beyond this are off by at least 1.6 %.
    agreement=0.015,
    note=(
        "Figures marked * are the paper's own and do not follow from the channel numbers that its table gives: conv1 "
        "as described has 64 kernels of 7×7×3, thus 9.2 K and 118 M; 2.7 K and 34 M are what 64 kernels of 7×1×3 and "
        "64 of 1×7×3 would have. The others are off by 2 to 8 %. This network follows the channel numbers, as the "
        "source document does."
    ),
)
"""Table 1 of Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842, for 3×224×224 and 1000 classes."""

# The source document's results, with lr 0.1, batches of 128 images of 96×96, and 10 epochs.
TRAINING = PublishedTraining("published, PyTorch", (0.25, 0.26), (0.900, 0.905), (0.886, 0.887), 10)

SETTINGS = {"batch_size": 128, "image_size": [96, 96], "limit": 60000, "init": "xavier_uniform"}
HYPERPARAMETERS = {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0}


def published_training(settings: Mapping[str, Any]) -> PublishedTraining | None:
    """The published result of a training with these settings, as in a history's first line; None if there is none."""
    chosen = settings.get("hyperparameters", {})
    # Kept as float32: 0.1 comes back as 0.10000000149.
    alike = all(math.isclose(chosen.get(k, 0.0), v, rel_tol=1e-6) for k, v in HYPERPARAMETERS.items())
    same = all(settings.get(name) == value for name, value in SETTINGS.items())
    # Data of other hashes are no Fashion-MNIST, and what names its precision was not trained in float32.
    return TRAINING if alike and same and not {"data", "precision"} & set(settings) else None

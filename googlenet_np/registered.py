"""GoogLeNet as the engine finds it, by the entry point ``googlenet`` of the group ``netparity.networks``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from googlenet_np.architecture import GOOGLENET
from googlenet_np.batches import Batches
from googlenet_np.fashion_mnist import CLASSES, load_fashion_mnist
from googlenet_np.idx import idx_sha256
from googlenet_np.images import sample_images
from googlenet_np.module_trees import GLUON_SOURCE, PROJECT, TORCH_NOTE, TORCH_SOURCE
from googlenet_np.published import PAPER, published_training
from googlenet_np.weights import init_weights
from netparity.network.registered import RegisteredNetwork, TrainingData
from netparity.system.progress import ProgressListener

TEST_BATCH = 256  # images at a time, when no gradient is wanted


def _load_data(
    folder: Path | None, *, verify: bool, progress: ProgressListener | None = None, **options: Any
) -> TrainingData:
    """Fashion-MNIST, in batches with these options of :class:`~googlenet_np.Batches`."""
    splits = [load_fashion_mnist(split, folder, verify=verify, progress=progress) for split in ("train", "test")]
    training = Batches(*splits[0], **options)
    test = Batches(*splits[1], TEST_BATCH, image_size=training.image_size, seed=None)
    settings: dict[str, Any] = {"batch_size": training.batch_size, "image_size": list(training.image_size)}
    settings |= {"seed": training.seed, "limit": len(training.images)}
    if not verify:
        settings["data"] = [idx_sha256(images) for images, _ in splits]
    return TrainingData(training, test, settings)


REGISTERED = RegisteredNetwork(
    GOOGLENET,
    init_weights,
    sample_images,
    in_channels=1,
    num_classes=10,
    image_size=(96, 96),
    scheme="xavier_uniform",
    samples="Fashion-MNIST test images",
    classes=CLASSES,
    makers={name: f"googlenet_{name}:GoogLeNet" for name in ("torch", "tf", "mx")},
    trees=(PROJECT, TORCH_SOURCE, TORCH_NOTE, GLUON_SOURCE),
    table=PAPER,
    published=published_training,
    load_data=_load_data,
)

"""AlexNet, VGG-11 and NiN as tables, for counting: what GoogLeNet is compared with.

The channel numbers are those of the source document's book (Dive into Deep Learning), whose chapters follow Krizhevsky
et al. (NIPS 2012; all on one GPU, so without groups), Simonyan & Zisserman (arXiv 1409.1556, configuration A) and Lin
et al. (arXiv 1312.4400). Images are 224 x 224.

A dense layer after a flattened (C, H, W) is the convolution whose kernel is as large as its input: the same weights,
the same products. So ``netparity``'s kinds of layers are enough. Dropout has no parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from netparity import IMAGES, Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d, Network

__all__ = ["ALEXNET", "IMAGE_SIZE", "VGG11", "nin"]

IMAGE_SIZE = (224, 224)
"""The only size for which a dense layer after the convolutions fits."""


ALEXNET = Network(
    "AlexNet",
    (
        Conv2d("conv1", (IMAGES,), 96, kernel_size=11, stride=4, padding=1),  # 96 x 54 x 54
        MaxPool2d("pool1", ("conv1",), kernel_size=3, stride=2, padding=0),  # 96 x 26 x 26
        Conv2d("conv2", ("pool1",), 256, kernel_size=5, padding=2),  # 256 x 26 x 26
        MaxPool2d("pool2", ("conv2",), kernel_size=3, stride=2, padding=0),  # 256 x 12 x 12
        Conv2d("conv3", ("pool2",), 384, kernel_size=3, padding=1),  # 384 x 12 x 12
        Conv2d("conv4", ("conv3",), 384, kernel_size=3, padding=1),  # 384 x 12 x 12
        Conv2d("conv5", ("conv4",), 256, kernel_size=3, padding=1),  # 256 x 12 x 12
        MaxPool2d("pool5", ("conv5",), kernel_size=3, stride=2, padding=0),  # 256 x 5 x 5
        Conv2d("dense1", ("pool5",), 4096, kernel_size=5),  # 4096 x 1 x 1
        Conv2d("dense2", ("dense1",), 4096, kernel_size=1),  # 4096 x 1 x 1
        Dense("dense3", ("dense2",)),  # num_classes
    ),
)


def _vgg_blocks(*blocks: tuple[int, int]) -> Iterator[Layer]:
    """For each (convolutions, channels): so many 3x3 convolutions, then a pool that halves the image."""
    before = IMAGES
    for number, (convolutions, channels) in enumerate(blocks, 1):
        for place in range(1, convolutions + 1):
            name = f"conv{number}_{place}"
            yield Conv2d(name, (before,), channels, kernel_size=3, padding=1)
            before = name
        yield MaxPool2d(f"pool{number}", (before,), kernel_size=2, stride=2, padding=0)
        before = f"pool{number}"


VGG11 = Network(
    "VGG-11",
    (
        *_vgg_blocks((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),  # 512 x 7 x 7
        Conv2d("dense1", ("pool5",), 4096, kernel_size=7),  # 4096 x 1 x 1
        Conv2d("dense2", ("dense1",), 4096, kernel_size=1),  # 4096 x 1 x 1
        Dense("dense3", ("dense2",)),  # num_classes
    ),
)


def nin(num_classes: int = 10) -> Network:
    """NiN. Its logits are the means of its last convolution's channels, so there is one channel for each class."""

    def block(number: int, before: str, channels: int, **window: int) -> Iterator[Layer]:
        yield Conv2d(f"conv{number}_1", (before,), channels, **window)
        yield Conv2d(f"conv{number}_2", (f"conv{number}_1",), channels, kernel_size=1)
        yield Conv2d(f"conv{number}_3", (f"conv{number}_2",), channels, kernel_size=1)

    return Network(
        "NiN",
        (
            *block(1, IMAGES, 96, kernel_size=11, stride=4),  # 96 x 54 x 54
            MaxPool2d("pool1", ("conv1_3",), kernel_size=3, stride=2, padding=0),  # 96 x 26 x 26
            *block(2, "pool1", 256, kernel_size=5, padding=2),  # 256 x 26 x 26
            MaxPool2d("pool2", ("conv2_3",), kernel_size=3, stride=2, padding=0),  # 256 x 12 x 12
            *block(3, "pool2", 384, kernel_size=3, padding=1),  # 384 x 12 x 12
            MaxPool2d("pool3", ("conv3_3",), kernel_size=3, stride=2, padding=0),  # 384 x 5 x 5
            *block(4, "pool3", num_classes, kernel_size=3, padding=1),  # num_classes x 5 x 5
            GlobalAvgPool2d("pool4", ("conv4_3",)),  # num_classes
        ),
    )

"""GoogLeNet in MXNet, to be read beside its siblings ``googlenet_{torch,tf,mx}/model.py``, line against line.

Source: Dive into Deep Learning, "Networks with Parallel Concatenations (GoogLeNet)", which simplifies
Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842, Table 1.
Shapes are those of one-channel images of 96 x 96 pixels.

Word for word, the three pages differ in this, in imports, and in how the two helpers at the end do their work:

    PyTorch                            | TensorFlow                 | MXNet
    ---------------------------------- | -------------------------- | ---------------------------------
    nn.Module                          | nn.Model                   | nn.HybridBlock
    nn.Sequential                      | nn.Stage                   | nn.HybridSequential
    nn.Conv2d                          | nn.Conv2D                  | nn.Conv2D
    nn.MaxPool2d(kernel_size=          | nn.MaxPool2D(pool_size=    | nn.MaxPool2D(pool_size=
    stride=                            | strides=                   | strides=
    nn.AdaptiveAvgPool2d … nn.Flatten  | nn.GlobalAvgPool2D         | nn.GlobalAvgPool2D … nn.Flatten
    nn.Linear(1024, num_classes)       | nn.Dense(… in_units=1024)  | nn.Dense(… in_units=1024)
    super().__init__()                 | super().__init__(**kwargs) | super().__init__()
    F.relu                             |                            |
    relu…=nn.ReLU                      |                            |
    forward(self                       | call(self                  | hybrid_forward(self, F: Any
    torch.cat                          | tf.concat                  | F.np.concatenate
    dim=1                              | axis=-1                    | axis=1 … dim=1
    N x C x H x W                      | N x H x W x C              | N x C x H x W
                                       | with self.layer_scope():   | with self.name_scope():
                                       | padding: str = "symmetric" |
                                       | **kwargs: Any              |

ReLU is a step of its own in PyTorch, and elsewhere a part of the convolution. Keras' global pool flattens. MXNet's
``F`` has functions of arrays or, once hybridized, of symbols; under ``npx.set_np()`` they are others. Its scope gives
layers their names; Keras' scope also their dtype, their padding and, if channels are known, their weights.
"""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn
from mxnet.util import is_np_array

Tensor = Any  # an array, or a symbol once the network is hybridized
Pair = tuple[int, int]  # channels of a 1x1 convolution, and of the larger one behind it


class Inception(nn.HybridBlock):
    """Four parallel paths over one input, concatenated over the channels (paper, Figure 2b).

    Args:
        c1: Output channels of path 1, a 1x1 convolution.
        c2: Path 2: channels of the 1x1 convolution and of the 3x3 convolution.
        c3: Path 3: channels of the 1x1 convolution and of the 5x5 convolution.
        c4: Path 4: channels of the 1x1 convolution behind the max-pool.
        in_channels: Channels of the input; None infers them at the first call.
    """

    def __init__(self, c1: int, c2: Pair, c3: Pair, c4: int, *, in_channels: int | None = None) -> None:
        super().__init__()
        with self.name_scope():
            # Path 1 is a 1x1 convolution
            self.p1_1 = _conv2d(in_channels, c1, kernel_size=1)
            # Path 2 is a 1x1 convolution, then a 3x3 convolution
            self.p2_1 = _conv2d(in_channels, c2[0], kernel_size=1)
            self.p2_2 = _conv2d(c2[0], c2[1], kernel_size=3, padding=1)
            # Path 3 is a 1x1 convolution, then a 5x5 convolution
            self.p3_1 = _conv2d(in_channels, c3[0], kernel_size=1)
            self.p3_2 = _conv2d(c3[0], c3[1], kernel_size=5, padding=2)
            # Path 4 is a 3x3 max-pool, then a 1x1 convolution
            self.p4_1 = nn.MaxPool2D(pool_size=3, strides=1, padding=1)
            self.p4_2 = _conv2d(in_channels, c4, kernel_size=1)

    def hybrid_forward(self, F: Any, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, c1 + c2[1] + c3[1] + c4, H, W)."""
        p1 = self.p1_1(x)  # N x c1 x H x W
        p2 = self.p2_2(self.p2_1(x))  # N x c2[1] x H x W
        p3 = self.p3_2(self.p3_1(x))  # N x c3[1] x H x W
        p4 = self.p4_2(self.p4_1(x))  # N x c4 x H x W
        return F.np.concatenate((p1, p2, p3, p4), axis=1) if is_np_array() else F.concat(p1, p2, p3, p4, dim=1)


class GoogLeNet(nn.HybridBlock):
    """The whole network: a stem (b1, b2), nine Inception blocks (b3, b4, b5) and a head (the rest of b5, fc).

    Args:
        num_classes: Logits.
        in_channels: Channels of the images; None infers them at the first call.
    """

    def __init__(self, num_classes: int = 10, in_channels: int | None = 1) -> None:
        super().__init__()
        if num_classes < 1 or (in_channels is not None and in_channels < 1):
            raise ValueError(f"num_classes={num_classes}, in_channels={in_channels}; expected 1 or more of each.")
        with self.name_scope():
            self.b1 = _stage(
                conv=_conv2d(in_channels, 64, kernel_size=7, strides=2, padding=3),  # N x 64 x 48 x 48
                pool=nn.MaxPool2D(pool_size=3, strides=2, padding=1),  # N x 64 x 24 x 24
            )
            self.b2 = _stage(
                conv1=_conv2d(64, 64, kernel_size=1),  # N x 64 x 24 x 24
                conv2=_conv2d(64, 192, kernel_size=3, padding=1),  # N x 192 x 24 x 24
                pool=nn.MaxPool2D(pool_size=3, strides=2, padding=1),  # N x 192 x 12 x 12
            )
            self.b3 = _stage(
                inception_3a=Inception(64, (96, 128), (16, 32), 32, in_channels=192),  # N x 256 x 12 x 12
                inception_3b=Inception(128, (128, 192), (32, 96), 64, in_channels=256),  # N x 480 x 12 x 12
                pool=nn.MaxPool2D(pool_size=3, strides=2, padding=1),  # N x 480 x 6 x 6
            )
            self.b4 = _stage(
                inception_4a=Inception(192, (96, 208), (16, 48), 64, in_channels=480),  # N x 512 x 6 x 6
                inception_4b=Inception(160, (112, 224), (24, 64), 64, in_channels=512),  # N x 512 x 6 x 6
                inception_4c=Inception(128, (128, 256), (24, 64), 64, in_channels=512),  # N x 512 x 6 x 6
                inception_4d=Inception(112, (144, 288), (32, 64), 64, in_channels=512),  # N x 528 x 6 x 6
                inception_4e=Inception(256, (160, 320), (32, 128), 128, in_channels=528),  # N x 832 x 6 x 6
                pool=nn.MaxPool2D(pool_size=3, strides=2, padding=1),  # N x 832 x 3 x 3
            )
            self.b5 = _stage(
                inception_5a=Inception(256, (160, 320), (32, 128), 128, in_channels=832),  # N x 832 x 3 x 3
                inception_5b=Inception(384, (192, 384), (48, 128), 128, in_channels=832),  # N x 1024 x 3 x 3
                pool=nn.GlobalAvgPool2D(),  # N x 1024 x 1 x 1
                flatten=nn.Flatten(),  # N x 1024
            )
            self.fc = nn.Dense(num_classes, in_units=1024)  # N x num_classes

    def features(self, x: Tensor) -> Tensor:
        """Stem and body: images (N, in_channels, H, W) to one vector (N, 1024) each."""
        x = self.b1(x)  # N x 64 x 24 x 24
        x = self.b2(x)  # N x 192 x 12 x 12
        x = self.b3(x)  # N x 480 x 6 x 6
        x = self.b4(x)  # N x 832 x 3 x 3
        return self.b5(x)  # N x 1024

    def hybrid_forward(self, F: Any, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.features(x)  # N x 1024
        return self.fc(x)  # N x num_classes


def _stage(**layers: Any) -> nn.HybridSequential:
    """Layers in a row, each under its name, so that a saved file says where a weight belongs."""
    stage = nn.HybridSequential()
    for name, layer in layers.items():
        setattr(stage, name, layer)
    return stage


def _conv2d(in_channels: int | None, channels: int, **options: Any) -> nn.Conv2D:
    """A convolution; None as input channels infers them at the first call."""
    return nn.Conv2D(channels, in_channels=in_channels or 0, activation="relu", **options)  # 0: to be inferred

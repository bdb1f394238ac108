"""GoogLeNet in Gluon 2 (MXNet 2.0.0b1), as a backend from outside.

Gluon 2 refuses what ``googlenet_mx`` is written with: it asserts that no block has a ``hybrid_forward``, takes no
``mx.nd`` arrays, and has no name scopes. So the network stands here once more, with ``forward`` and ``mx.np``. Names
are the same. Training, checkpoints and several processes are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from googlenet_np import GOOGLENET, check_weights
from netparity import DType, Gradients, LayerGradients, weights_like

vars(np)["bool"] = bool  # what MXNet looks for while it is imported, and NumPy 1.24 removed
import mxnet as mx  # noqa: E402

del vars(np)["bool"]

from mxnet import autograd, gluon  # noqa: E402
from mxnet.gluon import nn  # noqa: E402

__all__ = ["Backend", "GoogLeNet", "Inception"]

Array = npt.NDArray[Any]


class Inception(gluon.HybridBlock):
    """Four parallel branches over one input, concatenated over the channels."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> None:
        super().__init__()
        self.p1_1 = _conv2d(c1, kernel_size=1)
        self.p2_1 = _conv2d(c2[0], kernel_size=1)
        self.p2_2 = _conv2d(c2[1], kernel_size=3, padding=1)
        self.p3_1 = _conv2d(c3[0], kernel_size=1)
        self.p3_2 = _conv2d(c3[1], kernel_size=5, padding=2)
        self.p4_1 = nn.MaxPool2D(pool_size=3, strides=1, padding=1)
        self.p4_2 = _conv2d(c4, kernel_size=1)

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) to (N, c1 + c2[1] + c3[1] + c4, H, W)."""
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_2(self.p3_1(x))
        p4 = self.p4_2(self.p4_1(x))
        return mx.np.concatenate((p1, p2, p3, p4), axis=1)


class GoogLeNet(gluon.HybridBlock):
    """The whole network; input channels are inferred at the first call."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.b1 = _stage(conv=_conv2d(64, kernel_size=7, strides=2, padding=3), pool=_halving_pool())
        self.b2 = _stage(
            conv1=_conv2d(64, kernel_size=1), conv2=_conv2d(192, kernel_size=3, padding=1), pool=_halving_pool()
        )
        self.b3 = _stage(
            inception_3a=Inception(64, (96, 128), (16, 32), 32),
            inception_3b=Inception(128, (128, 192), (32, 96), 64),
            pool=_halving_pool(),
        )
        self.b4 = _stage(
            inception_4a=Inception(192, (96, 208), (16, 48), 64),
            inception_4b=Inception(160, (112, 224), (24, 64), 64),
            inception_4c=Inception(128, (128, 256), (24, 64), 64),
            inception_4d=Inception(112, (144, 288), (32, 64), 64),
            inception_4e=Inception(256, (160, 320), (32, 128), 128),
            pool=_halving_pool(),
        )
        self.b5 = _stage(
            inception_5a=Inception(256, (160, 320), (32, 128), 128),
            inception_5b=Inception(384, (192, 384), (48, 128), 128),
            pool=nn.GlobalAvgPool2D(),
            flatten=nn.Flatten(),
        )
        self.fc = nn.Dense(num_classes)

    def forward(self, x: Any) -> Any:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        return self.fc(self.b5(self.b4(self.b3(self.b2(self.b1(x))))))


def _stage(**layers: gluon.HybridBlock) -> nn.HybridSequential:
    stage = nn.HybridSequential()
    for name, layer in layers.items():
        setattr(stage, name, layer)
    return stage


def _conv2d(channels: int, **kwargs: int) -> nn.Conv2D:
    return nn.Conv2D(channels, activation="relu", **kwargs)


def _halving_pool() -> nn.MaxPool2D:
    return nn.MaxPool2D(pool_size=3, strides=2, padding=1)


class Backend:
    """MXNet 2 on the CPU, behind :class:`netparity.Backend`."""

    name = "mx2"

    def versions(self) -> dict[str, str]:
        """MXNet and NumPy."""
        return {"mxnet": mx.__version__, "numpy": np.__version__}

    def build(self, weights: Mapping[str, Array], dtype: DType) -> MXNet2Model:
        """A model with these weights; channels and classes follow from their shapes."""
        check_weights(weights)
        return MXNet2Model(weights, dtype)


class MXNet2Model:
    """Two networks of the same weights: one that is open to hooks, and one that is hybridized."""

    def __init__(self, weights: Mapping[str, Array], dtype: DType) -> None:
        self._dtype = dtype
        self._model, self._fast = (_loaded(weights, dtype) for _ in range(2))
        self._fast.hybridize(static_alloc=True, static_shape=True)

    def activations(self, images: Array) -> dict[str, Array]:
        """Every named activation of one forward pass, in canonical order."""
        outputs: dict[str, Any] = {}
        with ExitStack() as hooks:
            for name in GOOGLENET.names:
                handle = self._block(name).register_forward_hook(_recorder(outputs, name))
                hooks.callback(handle.detach)
            self._model(self._tensor(images))
        return {name: _array(name, outputs[name]) for name in GOOGLENET.names}

    def layer(self, name: str, inputs: Array) -> Array:
        """One layer alone."""
        return _array(name, self._block(name)(self._tensor(inputs)))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        """Mean cross-entropy, and its gradients."""
        x = self._tensor(images)
        x.attach_grad()
        with autograd.record():
            # Not Gluon's loss, nor a mean: MXNet 2 gives the mean of float64 numbers in float32.
            losses = -mx.npx.pick(mx.npx.log_softmax(self._model(x)), mx.np.array(labels, dtype="int32"))
        losses.backward(mx.np.full_like(losses, 1 / len(images)))
        by_weights = {name: _parameter(self._model, name).grad().asnumpy() for name in GOOGLENET.parameter_shapes()}
        return Gradients(float(losses.asnumpy().mean()), by_weights, x.grad.asnumpy())

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        """The backward pass of one layer alone."""
        block = self._block(name)
        x = self._tensor(inputs)
        x.attach_grad()
        with autograd.record():
            y = block(x)
        y.backward(self._tensor(cotangent).reshape(y.shape))
        kinds = [kind for kind in ("weight", "bias") if getattr(block, kind, None) is not None]
        return LayerGradients({kind: getattr(block, kind).grad().asnumpy() for kind in kinds}, x.grad.asnumpy())

    def predict(self, images: Array) -> Array:
        """Logits, by the hybridized network."""
        return _array("fc", self._fast(self._tensor(images)))

    def train(self, batches: Iterable[Any], hyperparameters: Any, **_: Any) -> NoReturn:
        """Left out."""
        raise NotImplementedError("this example does not train")

    def export_weights(self) -> dict[str, Array]:
        """Canonical names to copies."""
        return {name: _parameter(self._model, name).data().asnumpy() for name in GOOGLENET.parameter_shapes()}

    def _block(self, name: str) -> Any:
        return attrgetter(GOOGLENET[name].name)(self._model)

    def _tensor(self, array: Array) -> Any:
        return mx.np.array(array, dtype=self._dtype)


def _loaded(weights: Mapping[str, Array], dtype: DType) -> GoogLeNet:
    in_channels, num_classes = weights_like(GOOGLENET, weights)
    model = GoogLeNet(num_classes)
    model.initialize()
    model.cast(dtype)
    model(mx.np.zeros((1, in_channels, 1, 1), dtype=dtype))  # shapes are inferred in a call
    for name, array in weights.items():
        _parameter(model, name).set_data(mx.np.array(array, dtype=dtype))
    return model


def _parameter(model: GoogLeNet, name: str) -> Any:
    return attrgetter(name)(model)


def _recorder(outputs: dict[str, Any], name: str) -> Any:
    def hook(_block: Any, _inputs: Any, output: Any) -> None:
        outputs[name] = output

    return hook


def _array(name: str, output: Any) -> Array:
    """A copy, in the contract's shape: the global pool keeps H and W, as 1 x 1."""
    array: Array = output.asnumpy()
    return array.reshape(array.shape[:2]) if name == "b5.pool" else array

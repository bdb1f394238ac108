"""MXNet's side of the contract in :mod:`netparity.network.contract`.

What stands under a layer's name is what the model's own block of that name gave in one real forward pass: nothing here
repeats what the model does, so a fault in the model shows in the numbers.

MXNet computes in threads of its own and reports an error when a result is read; every method here reads its results
before it returns. How many threads one operator gets is settled when MXNet is loaded (half the processors, or what the
environment says in ``OMP_NUM_THREADS`` or ``MXNET_OMP_MAX_THREADS``) and cannot be changed later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from googlenet_mx.joint import JointTraining
from googlenet_mx.model import GoogLeNet
from googlenet_mx.training import Training
from googlenet_mx.ways import Ways
from googlenet_mx.weights import as_ndarray, export_weights, import_weights, named_parameters
from googlenet_np.architecture import GOOGLENET
from googlenet_np.backend import TrainedModel, checked_sizes, parameters_in
from netparity.network.contract import Array, DType, Gradients, Hyperparameters, LayerGradients
from netparity.network.errors import OptionError
from netparity.network.images import check_cotangent
from netparity.network.kinds import GlobalAvgPool2d


class Backend:
    """MXNet on the CPU, behind :class:`netparity.network.contract.Backend`."""

    name = "mx"

    def __init__(self) -> None:
        self._kvstore: Any = None

    def versions(self) -> dict[str, str]:
        """MXNet, which brings its own oneDNN and OpenBLAS, and NumPy."""
        return {"mxnet": mx.__version__, "numpy": np.__version__}

    def join(self) -> tuple[int, int]:
        """Meets the other workers of the key-value store that MXNet's own ``DMLC_…`` variables describe.

        Where they say that this process is the store's server or scheduler, it has become that when MXNet was imported.
        """
        if "DMLC_ROLE" not in os.environ or os.environ.get("DMLC_NUM_WORKER") == "1":
            return 0, 1
        if not mx.runtime.Features().is_enabled("DIST_KVSTORE"):
            raise OptionError("This MXNet is built without a distributed key-value store: it trains in one process.")
        try:
            self._kvstore = mx.kv.create("dist_sync")
        except mx.MXNetError as error:
            raise OptionError(f"MXNet cannot meet the other workers of its key-value store: {error}") from None
        return self._kvstore.rank, self._kvstore.num_workers

    def build(self, weights: Mapping[str, Array], dtype: DType) -> MXNetModel:
        in_channels, num_classes = checked_sizes(weights, dtype)
        model = GoogLeNet(num_classes, in_channels)
        model.cast(dtype)
        import_weights(model, weights)
        return MXNetModel(model, self._kvstore)


class MXNetModel(Ways, TrainedModel):
    """A ``GoogLeNet`` behind :class:`netparity.network.contract.BuiltModel`, where the methods are described.

    Args:
        model: On the CPU, initialised, not hybridized (hooks are silent inside a hybridized block). It is used, not
            copied: weights written later do count.
        kvstore: As :class:`~googlenet_mx.joint.JointTraining` takes it.
    """

    def __init__(self, model: GoogLeNet, kvstore: Any = None) -> None:
        super().__init__(model.b1.conv.weight.shape[1], model.fc.weight.shape[0], np.dtype(model.fc.weight.dtype).name)
        self._model = model
        self._kvstore = kvstore

    def activations(self, images: Array) -> dict[str, Array]:
        outputs: dict[str, Any] = {}

        def record(name: str, _block: gluon.Block, _inputs: Any, output: Any) -> None:
            outputs[name] = output

        hooks = [self._block(name).register_forward_hook(partial(record, name)) for name in GOOGLENET.names]
        try:
            self._model(self._images(images))
        finally:
            for hook in hooks:
                hook.detach()
        return {name: _array(name, outputs[name]) for name in GOOGLENET.names}

    def layer(self, name: str, inputs: Array) -> Array:
        return _array(name, self._block(name)(self._tensor(inputs)))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        x = self._images(images, labels)
        x.attach_grad()
        with autograd.record():
            losses = gluon.loss.SoftmaxCrossEntropyLoss()(self._hybridized(x), as_ndarray(labels, "int32"))
            loss = losses.mean()  # Gluon's losses are one number per image
        return Gradients(loss.asnumpy().item(), *_gradients(loss, named_parameters(self._model), x))

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        block = self._block(name)
        x = self._tensor(inputs)
        x.attach_grad()
        with autograd.record():
            y = block(x)
        check_cotangent(name, cotangent, _shape(name, y))
        parameters = parameters_in(name, named_parameters(self._model))
        return LayerGradients(*_gradients(y, parameters, x, self._tensor(cotangent).reshape(y.shape)))

    def predict(self, images: Array) -> Array:
        return _array("fc", self._hybridized(self._images(images)))

    def training(self, hyperparameters: Hyperparameters) -> Training:
        if self._kvstore is not None:
            return JointTraining(self._model, hyperparameters, self._kvstore)
        return Training(self._model, hyperparameters)

    def export_weights(self) -> dict[str, Array]:
        return export_weights(self._model)

    @cached_property
    def _hybridized(self) -> gluon.SymbolBlock:
        """The model's graph over the model's own parameters, compiled; the model itself stays open to hooks."""
        images = mx.sym.var("data", dtype=self._dtype)
        if mx.util.is_np_array():
            images = images.as_np_ndarray()
        graph = gluon.SymbolBlock(self._model(images), images, params=self._model.collect_params())
        graph.hybridize(static_alloc=True, static_shape=True)
        return graph

    @contextmanager
    def _ready_to_train(self) -> Iterator[None]:
        self._model.hybridize(static_alloc=True, static_shape=True)
        try:
            yield
        finally:
            self._model.hybridize(False)  # open to hooks again

    def _block(self, name: str) -> gluon.HybridBlock:
        return attrgetter(GOOGLENET[name].name)(self._model)

    def _tensor(self, array: Array) -> Any:
        return as_ndarray(array, self._dtype)


def _gradients(
    y: Any, parameters: Mapping[str, gluon.Parameter], x: Any, cotangent: Any = None
) -> tuple[dict[str, Array], Array]:
    """Gradients of ``y`` by the parameters, under their names, and by ``x``."""
    variables = [x, *(parameter.data() for parameter in parameters.values())]
    by_x, *by_parameters = autograd.grad(y, variables, cotangent)
    return {name: by.asnumpy() for name, by in zip(parameters, by_parameters, strict=True)}, by_x.asnumpy()


def _array(name: str, output: Any) -> Array:
    """A copy of a layer's output, in the contract's shape."""
    array: Array = output.asnumpy()
    return array.reshape(_shape(name, output))


def _shape(name: str, output: Any) -> tuple[int, ...]:
    """The contract's shape of a layer's output: Gluon's global pool keeps H and W, as 1 x 1."""
    shape: tuple[int, ...] = output.shape
    return shape[:2] if isinstance(GOOGLENET[name], GlobalAvgPool2d) else shape

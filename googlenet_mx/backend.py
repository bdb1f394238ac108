"""MXNet's side of the contract in :mod:`netparity.network.contract`.

What stands under a layer's name is what the model's own block of that name gave: forward hooks record it in one real
forward pass. Nothing here repeats what the model does, so a fault in the model shows in the numbers.

MXNet computes in threads of its own and reports an error when a result is read; every method here reads its results
before it returns. How many threads one operator gets is settled when MXNet is loaded (half the processors, or what the
environment says in ``OMP_NUM_THREADS`` or ``MXNET_OMP_MAX_THREADS``) and cannot be changed later.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property
from operator import attrgetter
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from googlenet_mx.model import GoogLeNet
from googlenet_mx.training import Training
from googlenet_mx.ways import training_ways, ways
from googlenet_mx.weights import as_ndarray, export_weights, import_weights, named_parameters
from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import check_state, check_weights, weights_like
from netparity.network.contract import (
    Array,
    Batch,
    DType,
    Forward,
    Gradients,
    Hyperparameters,
    LayerGradients,
    Listener,
    OptimizerState,
    Steps,
    check_dtype,
)
from netparity.network.errors import ImagesError, OptionError
from netparity.network.images import check_images, check_labels, checked_batches
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

        Returns:
            This process's rank and the number of workers; (0, 1) for one that was started alone.

        Raises:
            OptionError: This MXNet has no distributed store, or it cannot be made.
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
        """A ``GoogLeNet`` of ``dtype`` with these weights; channels and classes follow from their shapes.

        Raises:
            OptionError: ``dtype`` is neither ``"float32"`` nor ``"float64"``.
            WeightsError: The set is not canonical, or is float64 for a float32 model.
        """
        check_dtype(dtype)
        check_weights(weights)
        in_channels, num_classes = weights_like(weights)
        model = GoogLeNet(num_classes, in_channels)
        model.cast(dtype)
        import_weights(model, weights)
        return MXNetModel(model, self._kvstore)


class MXNetModel:
    """A ``GoogLeNet`` behind :class:`netparity.network.contract.BuiltModel`, where the methods are described.

    Args:
        model: On the CPU, initialised, not hybridized (hooks are silent inside a hybridized block). It is used, not
            copied: weights written later do count.
        kvstore: As :class:`~googlenet_mx.training.Training` takes it.
    """

    def __init__(self, model: GoogLeNet, kvstore: Any = None) -> None:
        self._model = model
        self._kvstore = kvstore
        self._training: Training | None = None
        self._dtype = np.dtype(model.fc.weight.dtype)

    def activations(self, images: Array) -> dict[str, Array]:
        outputs: dict[str, Any] = {}
        with ExitStack() as hooks:
            for name in GOOGLENET.names:
                hooks.enter_context(self._block(name).register_forward_hook(_recorder(outputs, name)))
            self._model(self._images(images))
        return {name: _array(name, outputs[name]) for name in GOOGLENET.names}

    def layer(self, name: str, inputs: Array) -> Array:
        return _array(name, self._block(name)(self._tensor(inputs)))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        parameters = named_parameters(self._model)
        x = self._images(images)
        check_labels(labels, len(images), parameters["fc.bias"].shape[0])
        x.attach_grad()
        with autograd.record():
            losses = gluon.loss.SoftmaxCrossEntropyLoss()(self._hybridized(x), as_ndarray(labels, "int32"))
            loss = losses.mean()  # Gluon's losses are one number per image
        weights, by_x = _gradients(loss, parameters, x)
        return Gradients(loss.asnumpy().item(), weights, by_x)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        block = self._block(name)
        prefix = f"{name}."
        parameters = {
            key.removeprefix(prefix): parameter
            for key, parameter in named_parameters(self._model).items()
            if key.startswith(prefix)
        }
        x = self._tensor(inputs)
        x.attach_grad()
        with autograd.record():
            y = block(x)
        expected = _shape(name, y)
        if np.shape(cotangent) != expected:
            raise ImagesError(f"The cotangent of {name!r} has shape {np.shape(cotangent)}; expected {expected}.")
        return LayerGradients(*_gradients(y, parameters, x, self._tensor(cotangent).reshape(y.shape)))

    def predict(self, images: Array) -> Array:
        return _array("fc", self._hybridized(self._images(images)))

    def train(
        self,
        batches: Iterable[Batch],
        hyperparameters: Hyperparameters,
        *,
        state: OptimizerState | None = None,
        listener: Listener | None = None,
    ) -> OptimizerState:
        if self._training is None or self._training.hyperparameters != hyperparameters:
            self._training = self.training(hyperparameters)
        classes, channels = self._model.fc.weight.shape[0], named_parameters(self._model)["b1.conv.weight"].shape[1]
        if state is not None:
            check_state(state, channels, classes)
            self._training.import_state(state)
        self._model.hybridize(static_alloc=True, static_shape=True)
        try:
            several = self._kvstore is not None
            checked = checked_batches(batches, channels, classes, self._dtype, may_be_empty=several)
            self._training.train(checked, listener)
        finally:
            self._model.hybridize(False)  # open to hooks again
        return self._training.export_state()

    def training(self, hyperparameters: Hyperparameters) -> Training:
        """A new training of this model."""
        return Training(self._model, hyperparameters, self._kvstore)

    def export_weights(self) -> dict[str, Array]:
        return export_weights(self._model)

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        return ways(self._model)

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        return training_ways(self._model, hyperparameters)

    @cached_property
    def _hybridized(self) -> gluon.SymbolBlock:
        """The model's graph over the model's own parameters, compiled; the model itself stays open to hooks."""
        images = mx.sym.var("data", dtype=self._dtype)
        if mx.util.is_np_array():
            images = images.as_np_ndarray()
        graph = gluon.SymbolBlock(self._model(images), images, params=self._model.collect_params())
        graph.hybridize(static_alloc=True, static_shape=True)
        return graph

    def _block(self, name: str) -> gluon.HybridBlock:
        return attrgetter(GOOGLENET[name].name)(self._model)

    def _images(self, images: Array) -> Any:
        check_images(images, named_parameters(self._model)["b1.conv.weight"].shape[1])
        return self._tensor(images)

    def _tensor(self, array: Array) -> Any:
        return as_ndarray(array, self._dtype)


def _recorder(outputs: dict[str, Any], name: str) -> Callable[..., None]:
    """A forward hook that keeps its block's output under ``name``."""

    def hook(_block: gluon.Block, _inputs: Any, output: Any) -> None:
        outputs[name] = output

    return hook


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

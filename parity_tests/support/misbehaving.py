"""Backends that misbehave, each in one way, for runs that find them by ``parity_tests.support.misbehaving:NAME``.

They are NumPy backends otherwise, so that whatever is reported of them is their misbehaviour. Those that fail
halfway do so in float32, once the model is built, and after they have said :data:`LAST_WORDS`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from netparity.network.contract import DType, Gradients, Hyperparameters, LayerGradients, OptimizerState
from netparity.network.kinds import Layer
from parity_tests.support.command import LIMIT
from parity_tests.support.numpy_backend import Backend

Array = npt.NDArray[Any]

LAST_WORDS = "It was the best of times."

HANGING = "GOOGLENET_TEST_HANGING"
"""Environment variable: a folder in which a backend that hangs leaves a file of its name once it does nothing else."""


# Backends that cannot be made, or cannot build a model


class RaisesWhenMade(Backend):
    def __init__(self) -> None:
        raise RuntimeError("no device was found")


class RaisesInVersions(Backend):
    def versions(self) -> dict[str, str]:
        raise LookupError("the version is a secret")


class RaisesInBuild(Backend):
    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        raise RuntimeError(f"cannot build a model of {dtype}")


class RaisesStrangeWords(Backend):
    """Its words would colour a terminal, and are no XML."""

    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        raise RuntimeError("\x1b[31mred\x1b[0m\x00 [bold]\n\udcff<&>")


class NeedsMissingModule(Backend):
    def __init__(self) -> None:
        import no_such_framework  # type: ignore[import-not-found]  # noqa: F401


class NeedsMissingModuleLater(Backend):
    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        import no_such_library  # type: ignore[import-not-found]

        model: Backend = no_such_library.Model(weights, dtype)
        return model


class ExhaustsMemory(Backend):
    """Takes memory until there is none; give it a limit."""

    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        hoard = []
        while True:
            hoard.append(np.ones(1 << 24))


class Floods(Backend):
    """Says far more than anybody wants to keep, in a single line, and dies."""

    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        for _ in range(64):
            os.write(1, b"and so on " * 100_000)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


# Models that do not survive a forward pass


class RaisesHalfway(Backend):
    def before_activation(self, layer: Layer, inputs: Any) -> Array:
        if layer.name == "b4.inception_4a.p2_2" and self.dtype == "float32":
            print(LAST_WORDS)
            self.end()
        return super().before_activation(layer, inputs)

    def end(self) -> None:
        raise ArithmeticError("the fourth stage is beyond me")


class IsKilled(RaisesHalfway):
    def end(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Exits(RaisesHalfway):
    def end(self) -> NoReturn:
        sys.exit(3)


class ExitsAtOnce(RaisesHalfway):
    def end(self) -> NoReturn:
        os._exit(0)


class Hangs(RaisesHalfway):
    @property
    def signs(self) -> list[str]:
        """The file that says that it hangs, if anybody asked for one."""
        return [str(Path(os.environ[HANGING], type(self).__name__))] if HANGING in os.environ else []

    def end(self) -> None:
        for sign in self.signs:
            Path(sign).touch()
        time.sleep(LIMIT)


class HangsDeaf(Hangs):
    """Hangs with a child process beside it, and neither minds being asked to go."""

    def end(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = f"import pathlib, sys, time; [pathlib.Path(sign).touch() for sign in sys.argv[1:]]; time.sleep({LIMIT})"
        subprocess.run([sys.executable, "-c", code, *self.signs], check=False)


class LeavesHeir(Hangs):
    """Dies, but for a child that has left its process group and holds all its files open."""

    def end(self) -> NoReturn:
        if os.fork():
            os._exit(5)
        os.setsid()
        super().end()
        os._exit(0)


# A model that says what it cannot do


class CannotTrain(Backend):
    def gradients(self, images: Array, labels: Array) -> Gradients:
        raise NotImplementedError("an inference engine has no gradients")

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        raise NotImplementedError("an inference engine has no gradients of a layer either")


class KeepsItsWeights(CannotTrain):
    """And does nothing else."""

    def activations(self, images: Array) -> dict[str, Array]:
        raise NotImplementedError("a shelf")

    def layer(self, name: str, inputs: Array) -> Array:
        raise NotImplementedError("a shelf")

    def predict(self, images: Array) -> Array:
        raise NotImplementedError("a shelf")


class CannotBuild(Backend):
    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        raise NotImplementedError("a name")


class CannotCallSome(CannotTrain):
    """Two of its layers cannot be called alone."""

    refused = ("b2.conv2", "b4.inception_4c.p2_2")

    def layer(self, name: str, inputs: Array) -> Array:
        if name in self.refused:
            raise NotImplementedError(f"{name} is fused with its neighbours")
        return super().layer(name, inputs)


class CannotCallSomeAndFails(CannotCallSome):
    """And another one is wrong."""

    def layer(self, name: str, inputs: Array) -> Array:
        output = super().layer(name, inputs)
        return output + 1 if name == "b5.pool" else output


class RaisesInOneLayer(CannotTrain):
    def layer(self, name: str, inputs: Array) -> Array:
        if name == "b2.conv2":
            raise ArithmeticError("that one is beyond me")
        return super().layer(name, inputs)


class RaisesInOneLayerAndFails(RaisesInOneLayer):
    def layer(self, name: str, inputs: Array) -> Array:
        output = super().layer(name, inputs)
        return output + 1 if name == "b5.pool" else output


class WrongOnlyEndToEnd(Backend):
    """Its gradients of a whole float32 pass are far off, as one kink may make them; each layer's own are right."""

    def gradients(self, images: Array, labels: Array) -> Gradients:
        right = super().gradients(images, labels)
        if self.dtype == "float64":
            return right
        return right._replace(weights={name: 1.02 * gradient for name, gradient in right.weights.items()})


class ShiftsOneLayer(Backend):
    """One of its layers is a hundredth too large."""

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        output = super().before_activation(layer, inputs)
        return output + 0.01 if layer.name == "b3.inception_3b.p1_1" else output


class RoundsOtherwise(Backend):
    """Each number of its first layer is the float32 or float64 number next to the right one."""

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        output = super().before_activation(layer, inputs)
        return np.nextafter(output, np.array(np.inf, output.dtype)) if layer.name == "b1.conv" else output


class ForgetsABias(Backend):
    """One of its layers adds no bias in a forward pass."""

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        output = super().before_activation(layer, inputs)
        if layer.name == "b3.inception_3b.p1_1":
            output -= self.weights[f"{layer.name}.bias"].reshape(-1, 1, 1)
        return output


class RaisesInTraining(Backend):
    def train(self, *arguments: Any, **options: Any) -> OptimizerState:
        raise ArithmeticError("not with these batches")


class CannotTakeSteps(Backend):
    def train(self, *arguments: Any, **options: Any) -> OptimizerState:
        raise NotImplementedError("an inference engine takes no steps")


class TrainsInSilence(Backend):
    """It tells nobody of its losses."""

    def train(self, batches: Any, hyperparameters: Hyperparameters, **options: Any) -> OptimizerState:
        return super().train(batches, hyperparameters)


class ForgetsItsState(Backend):
    def train(self, batches: Any, hyperparameters: Hyperparameters, **options: Any) -> Any:
        super().train(batches, hyperparameters, **options)


class AppliesMomentumTwice(Backend):
    def step(self, w: Array, v: Array, g: Array, hyperparameters: Hyperparameters, size: int) -> tuple[Array, Array]:
        return super().step(w, hyperparameters.momentum * v, g, hyperparameters, size)


class TrainsToNaN(Backend):
    def train(self, *arguments: Any, **options: Any) -> OptimizerState:
        after = super().train(*arguments, **options)
        self.weights["fc.weight"][0, 0] = np.nan
        return after


# Models that give what they should not; to save time, most of them without gradients


class GivesLists(CannotTrain):
    def activations(self, images: Array) -> Any:
        return {name: array.tolist() for name, array in super().activations(images).items()}


class GivesTuple(CannotTrain):
    def activations(self, images: Array) -> Any:
        return tuple(super().activations(images).values())


class GivesObjects(CannotTrain):
    def layer(self, name: str, inputs: Array) -> Array:
        return super().layer(name, inputs).astype(object)


class GivesTupleNames(CannotTrain):
    def activations(self, images: Array) -> Any:
        return {tuple(name.split(".")): array for name, array in super().activations(images).items()}


class GivesWrongShape(CannotTrain):
    """Its global pool keeps 1×1, as MXNet's does."""

    def activations(self, images: Array) -> dict[str, Array]:
        activations = super().activations(images)
        return {**activations, "b5.pool": activations["b5.pool"][:, :, None, None]}


class GivesScalars(CannotTrain):
    def layer(self, name: str, inputs: Array) -> Array:
        return np.asarray(super().layer(name, inputs).max())


class GivesDoubles(CannotTrain):
    def activations(self, images: Array) -> dict[str, Array]:
        return {name: array.astype(np.float64) for name, array in super().activations(images).items()}


class GivesNaN(CannotTrain):
    """A single one, in the last sample."""

    def activations(self, images: Array) -> dict[str, Array]:
        activations = super().activations(images)
        activations["b3.inception_3b.p3_2"][-1, -1, -1, -1] = np.nan
        return activations


class GivesTooFew(CannotTrain):
    def activations(self, images: Array) -> dict[str, Array]:
        activations = super().activations(images)
        del activations["b4.inception_4c"]
        return activations


class GivesUnknown(CannotTrain):
    def activations(self, images: Array) -> dict[str, Array]:
        return {**super().activations(images), "b6.conv": np.zeros((1, 1), self.dtype)}


class GivesUnordered(CannotTrain):
    def activations(self, images: Array) -> dict[str, Array]:
        return dict(sorted(super().activations(images).items(), reverse=True))


class GivesNoLogits(CannotTrain):
    def predict(self, images: Array) -> Any:
        return None


class GivesLossOnly(Backend):
    def gradients(self, images: Array, labels: Array) -> Any:
        return super().gradients(images, labels).loss


class ReusesOneBuffer(CannotTrain):
    """Every branch output of a pass lies in one buffer, so that the last one written is what all of them say."""

    def activations(self, images: Array) -> dict[str, Array]:
        activations = super().activations(images)
        buffer = np.empty(max(array.size for array in activations.values()), self.dtype)
        views = {name: buffer[: array.size].reshape(array.shape) for name, array in activations.items()}
        for name, view in views.items():
            view[...] = activations[name]
        return views


class ChangesItsInputs(CannotTrain):
    def activations(self, images: Array) -> dict[str, Array]:
        images -= images.mean()
        return super().activations(images)


# Backends that are odd and right


class ReturnsViews(Backend):
    """What it gives lies in memory that it writes to again at the next call, and is not contiguous."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}

    def layer(self, name: str, inputs: Array) -> Array:
        output = super().layer(name, inputs)
        for buffer in self._buffers.values():
            buffer[...] = np.nan
        self._buffers[name] = np.repeat(output, 2, axis=1)
        return self._buffers[name][:, ::2]


class Talks(Backend):
    """Prints on every occasion, as frameworks do."""

    def __init__(self) -> None:
        print("Welcome!")

    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        print('{"values": {}, "arrays": {}}')
        print("oneDNN custom operations are on.", file=sys.stderr)
        return super().build(weights, dtype)

"""Keras' layers as ``model.py`` writes them: all that Keras wants besides, and PyTorch and MXNet do not, stands here.

Keras hands nothing down to a model's layers, names them by an argument, pads by a word, and makes weights at the first
call. These layers, made inside a model's :meth:`Model.layer_scope`, take its dtype policy and their attribute's name,
are padded in numbers, and know their input channels, so that the model has its weights when it is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import tensorflow as tf

KERAS_2 = getattr(tf.keras, "__version__", "2").startswith("2")  # the package tf_keras tells no version here

Shape = tuple[int | None, ...]


class _Scope(NamedTuple):
    """What a model hands down to its layers, and to the models among them."""

    dtype: Any
    padding: str = "symmetric"


_SCOPE: ContextVar[_Scope | None] = ContextVar("layer_scope", default=None)


class Model(tf.keras.Model):
    """A model whose constructor makes its layers inside ``with self.layer_scope():``.

    Its config is its constructor's arguments, and each subclass is registered under the name of its package, so that
    Keras saves, loads and clones it. Inside another model's scope it takes that one's dtype policy.

    Args:
        kwargs: What every Keras model takes: ``name``, ``dtype``, ``trainable``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tf.keras.utils.register_keras_serializable(cls.__module__.partition(".")[0])(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        model: Model = super().__new__(cls, *args, **kwargs)
        bound = inspect.signature(cls.__init__).bind_partial(model, *args, **kwargs)
        bound.apply_defaults()
        _, *arguments = bound.arguments.items()
        config = dict(arguments)
        config |= config.pop("kwargs", {})
        object.__setattr__(model, "_arguments", config)  # Keras' own __setattr__ works from __init__ on
        return model

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_handed_down(kwargs))
        outer = _SCOPE.get()
        self.in_channels: int | None = self._arguments.get("in_channels")
        self.padding: str = self._arguments.get("padding", outer.padding if outer else "symmetric")

    @contextmanager
    def layer_scope(self) -> Iterator[None]:
        """The block in which the model makes its layers; at its end they have names, and weights if channels are known.

        Raises:
            ValueError: The model's ``padding`` is neither ``"symmetric"`` nor ``"same"``.
        """
        if self.padding not in ("symmetric", "same"):
            raise ValueError(f"padding={self.padding!r}; expected 'symmetric' or 'same'.")
        outer = _SCOPE.get()
        token = _SCOPE.set(_Scope(self.dtype_policy, self.padding))
        try:
            yield
        finally:
            _SCOPE.reset(token)
        for name, value in vars(self).items():
            if isinstance(value, tf.keras.layers.Layer):
                _name(value, name)
        if outer is None and self.in_channels is not None:
            self.build((None, None, None, self.in_channels))

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for inputs of shape (N, H, W, C), where the model does not have its C already."""
        self.in_channels = self.in_channels or input_shape[-1]
        _build(self.layers, (*input_shape[:-1], self.in_channels))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, from which Keras makes the model again."""
        known = {"name": self.name, "dtype": self.dtype_policy.name, "trainable": self.trainable}
        return {**self._arguments, "in_channels": self.in_channels, **known}


class Stage(tf.keras.layers.Layer):
    """Named layers in a row, each an attribute. Not ``Sequential``: in Keras 2 that one rounds float64 to float32."""

    def __init__(self, **layers: tf.keras.layers.Layer) -> None:
        super().__init__(**_handed_down({}))
        self.row = tuple(layers.values())
        for name, layer in layers.items():
            _name(layer, name)
            setattr(self, name, layer)

    def build(self, input_shape: Shape) -> None:
        _build(self.row, input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for layer in self.row:
            x = layer(x)
        return x


class Conv2D(tf.keras.layers.Conv2D):
    """A convolution over NHWC that has its input channels and its padding in numbers.

    Args:
        filters: Output channels.
        kernel_size: Height and width of the kernel, odd.
        in_channels: Input channels; None takes those that it is built for.
        padding: Zeros on each of the four sides: half of the kernel. Or ``"same"``: as Keras pads.
        kwargs: Keras' other options.
    """

    def __init__(
        self, filters: int, kernel_size: int, *, in_channels: int | None, padding: int | str = 0, **kwargs: Any
    ) -> None:
        super().__init__(filters, kernel_size, padding="same", **_handed_down(kwargs, data_format="channels_last"))
        self.in_channels = in_channels
        self.margin = _margin(padding, self.kernel_size, self.strides)

    def build(self, input_shape: Shape) -> None:
        super().build((*input_shape[:-1], self.in_channels or input_shape[-1]))

    def convolution_op(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if self.margin is None:
            return super().convolution_op(x, kernel)
        # conv2d can pad by itself, but then oneDNN has no part in its backward pass.
        return tf.nn.conv2d(tf.pad(x, _four_sides(self.margin)), kernel, self.strides, padding="VALID")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_channels": self.in_channels, "padding": self.margin or "same"}


class MaxPool2D(tf.keras.layers.MaxPool2D):
    """A max-pool over NHWC that is padded with minus infinity, by a number or by the word as in ``Conv2D``."""

    def __init__(self, pool_size: int, strides: int, padding: int | str, **kwargs: Any) -> None:
        super().__init__(pool_size, strides, padding="same", **_handed_down(kwargs, data_format="channels_last"))
        self.margin = _margin(padding, self.pool_size, self.strides)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.margin is None:
            return super().call(x)
        # Likewise max_pool2d, and under XLA (compile(jit_compile=True)) it cannot.
        x = tf.pad(x, _four_sides(self.margin), constant_values=float("-inf"))
        return tf.nn.max_pool2d(x, self.pool_size, self.strides, padding="VALID")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.margin or "same"}


class GlobalAvgPool2D(tf.keras.layers.GlobalAvgPool2D):
    """The mean of each channel: (N, H, W, C) to (N, C)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**_handed_down(kwargs, data_format="channels_last"))


class Dense(tf.keras.layers.Dense):
    """A dense layer that knows the length of its input vectors, ``in_units``."""

    def __init__(self, units: int, *, in_units: int, **kwargs: Any) -> None:
        super().__init__(units, **_handed_down(kwargs))
        self.in_units = in_units

    def build(self, input_shape: Shape) -> None:
        super().build((None, self.in_units))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_units": self.in_units}


def _handed_down(kwargs: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A layer's options, with those that it has from the model around it."""
    scope = _SCOPE.get()
    return {**options, **({"dtype": scope.dtype} if scope else {}), **kwargs}


def _build(layers: Iterable[tf.keras.layers.Layer], shape: Shape) -> None:
    """Creates the weights of those layers that know what they read; ``shape`` is for those that were given None."""
    for layer in layers:
        if isinstance(layer, (Model, Stage, Conv2D, Dense)) and not layer.built:
            layer.build(shape)


def _name(layer: tf.keras.layers.Layer, name: str) -> None:
    # Keras 2 has a property without a setter.
    setattr(layer, "_name" if isinstance(getattr(type(layer), "name", None), property) else "name", name)


def _margin(padding: int | str, window: tuple[int, int], strides: tuple[int, int]) -> int | None:
    """Entries to pad by on each side; None where Keras pads: that is the same at stride 1, or it was asked to."""
    if padding == "same":
        return None
    if any(size != 2 * int(padding) + 1 for size in window):
        raise ValueError(f"padding={padding} of a window {window[0]}x{window[1]}; expected half of it.")
    scope = _SCOPE.get()
    return None if set(strides) == {1} or (scope and scope.padding == "same") else int(padding)


def _four_sides(margin: int) -> list[tuple[int, int]]:
    """What ``tf.pad`` takes: as much before and after height and width, none for N and C."""
    return [(0, 0), (margin, margin), (margin, margin), (0, 0)]

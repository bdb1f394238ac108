"""Training in NumPy: the formulas of :class:`~netparity.network.contract.Hyperparameters`, written out.

What the three frameworks' optimisers and losses are held against; too slow to train a network to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from netparity.network import reference
from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, Step, check_dtype
from netparity.network.network import Network
from netparity.network.weights import check_state, check_weights, weights_like

Rule = Callable[[Array, Array, Array, Hyperparameters, int], tuple[Array, Array]]
"""One parameter's step: from ``w``, ``v``, ``g``, hyperparameters and the batch's size to the new ``w`` and ``v``."""


def heavy_ball(w: Array, v: Array, g: Array, hyperparameters: Hyperparameters, _size: int) -> tuple[Array, Array]:
    """One parameter's step of stochastic gradient descent with momentum (Polyak 1964) and L2 weight decay.

    Args:
        w: The parameter.
        v: Its velocity.
        g: The gradient of the batch's mean loss by it.

    Returns:
        The new parameter and the new velocity.
    """
    v = hyperparameters.momentum * v + g + hyperparameters.weight_decay * w
    return w - hyperparameters.lr * v, v


def train(
    network: Network,
    weights: Mapping[str, Array],
    batches: Iterable[Batch],
    hyperparameters: Hyperparameters,
    *,
    state: OptimizerState | None = None,
    listener: Listener | None = None,
    dtype: str = "float64",
    rule: Rule = heavy_ball,
    perturb: reference.Perturb | None = None,
) -> tuple[dict[str, Array], OptimizerState]:
    """One step of stochastic gradient descent for each batch.

    Args:
        network: The network.
        weights: A canonical weights set; it is not changed.
        batches: Images (N, C, H, W) and labels (N,); N may differ from batch to batch.
        hyperparameters: Settings of the optimiser and the loss.
        state: What the optimiser starts from; zero by default.
        listener: Hears of every step.
        dtype: ``"float64"`` or ``"float32"``, of the arithmetic and the result.
        rule: What a step does to one parameter.
        perturb: As in :func:`~netparity.network.reference.forward_and_gradients`.

    Returns:
        The weights and the optimiser's state after the last step; the state's scale is 1.

    Raises:
        WeightsError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    number = np.dtype(check_dtype(dtype))
    check_weights(network, weights)
    if state:
        check_state(network, state, *weights_like(network, weights))
    trained = {name: weight.astype(number) for name, weight in weights.items()}
    kept = state.scaled(1.0) if state else {}
    velocity = {name: kept.get(name, np.zeros_like(weight)).astype(number) for name, weight in trained.items()}
    for images, labels in batches:
        activations, gradients = reference.forward_and_gradients(
            network,
            trained,
            images,
            labels,
            dtype=dtype,
            layers=[network.output],
            label_smoothing=hyperparameters.label_smoothing,
            perturb=perturb,
        )
        for name, g in gradients.weights.items():
            trained[name], velocity[name] = rule(trained[name], velocity[name], g, hyperparameters, len(images))
        if listener:
            accuracy = float((activations[network.output].argmax(axis=1) == labels).mean())
            listener(Step(gradients.loss, accuracy, len(images)))
    return trained, OptimizerState(velocity if hyperparameters.momentum else {}, 1.0)

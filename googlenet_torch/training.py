"""Training in PyTorch, to be read beside its siblings ``googlenet_{torch,tf,mx}/training.py``.

PyTorch leaves the step to the user: see ``Training.step``. It adds gradients up, so they are cleared before each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, Step


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Args:
        model: On the CPU. Its parameters become channels-last, in which oneDNN convolves fastest.
        hyperparameters: Of the optimiser and the loss.
    """

    shared = False  # whether other processes have parts of each batch

    def __init__(self, model: nn.Module, hyperparameters: Hyperparameters) -> None:
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
        self.hyperparameters = hyperparameters
        self.loss = nn.CrossEntropyLoss(label_smoothing=hyperparameters.label_smoothing)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=hyperparameters.lr,
            momentum=hyperparameters.momentum,
            weight_decay=hyperparameters.weight_decay,
        )

    @torch.enable_grad()
    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        self.model.train()
        for images, labels in batches:
            with _repeatable(len(labels)):
                step = self.step(images, labels)
            if listener:
                listener(step)

    def step(self, images: Array, labels: Array) -> Step:
        """One step on one batch; what it saw before it changed the weights."""
        x = torch.from_numpy(images).to(memory_format=torch.channels_last)
        y = torch.from_numpy(labels)
        logits = self.model(x)
        loss = self.loss(logits, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        accuracy = (logits.argmax(dim=1) == y).double().mean()
        return Step(loss.item(), accuracy.item(), len(labels))

    def export_state(self) -> OptimizerState:
        """Copies of the momenta under canonical names; empty before the first step, and without momentum."""
        states = {name: self.optimizer.state.get(p, {}) for name, p in self.model.named_parameters()}
        momenta = {name: state.get("momentum_buffer") for name, state in states.items()}
        return OptimizerState({name: m.numpy().copy() for name, m in momenta.items() if m is not None}, 1.0)

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        self.optimizer.state.clear()
        if not self.hyperparameters.momentum:
            return
        parameters = dict(self.model.named_parameters())
        for name, array in state.scaled(1.0).items():
            momentum = torch.empty_like(parameters[name]).copy_(torch.tensor(array))  # channels-last too
            self.optimizer.state[parameters[name]]["momentum_buffer"] = momentum


@contextmanager
def _repeatable(images: int) -> Iterator[None]:
    """A step on a single image, by one thread.

    Small convolutions of one image go to MKL and not to oneDNN, and MKL adds up what its threads have summed in the
    order in which they are ready, so that two steps from the same weights would end in different bits.
    """
    threads = torch.get_num_threads()
    if images == 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if images == 1:
            torch.set_num_threads(threads)

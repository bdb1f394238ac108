"""Training in PyTorch: an optimiser, a loss, and the loop over batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, Step


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Where ``torch.distributed`` is initialised, its processes take each step together: each has a part of the batch, and
    all have the same weights, at first those of rank 0.

    The model is on the CPU, and its parameters become channels-last, in which oneDNN convolves fastest.
    """

    def __init__(self, model: nn.Module, hyperparameters: Hyperparameters) -> None:
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
        self.hyperparameters = hyperparameters
        self.processes = distributed.get_world_size() if distributed.is_initialized() else 1
        self.shared = self.processes > 1
        self.network = nn.parallel.DistributedDataParallel(model) if self.shared else model
        self.loss = nn.CrossEntropyLoss(
            label_smoothing=hyperparameters.label_smoothing, reduction="sum" if self.shared else "mean"
        )
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
                step = self._step(images, labels)
            if listener:
                listener(step)

    def _step(self, images: Array, labels: Array) -> Step:
        x, y = torch.from_numpy(images).to(memory_format=torch.channels_last), torch.from_numpy(labels)
        logits = self.network(x)
        loss = self.loss(logits, y)
        right = (logits.argmax(dim=1) == y).sum().item()
        if self.shared:
            loss, step = self._joint(loss, right, len(y))
        else:
            step = Step(loss.item(), right / len(y), len(y))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return step

    def _joint(self, loss: Tensor, right: float, images: int) -> tuple[Tensor, Step]:
        """What to go back from, and the joint batch's step, of what is summed over this process's part of it.

        ``DistributedDataParallel`` takes the mean of the processes' gradients, however many images they had, or none.
        """
        sums = torch.tensor([loss.item(), right, images], dtype=torch.float64)
        distributed.all_reduce(sums)
        joint_loss, joint_right, joint_images = sums.tolist()
        step = Step(joint_loss / joint_images, joint_right / joint_images, int(joint_images))
        return loss * (self.processes / joint_images), step

    def export_state(self) -> OptimizerState:
        """Copies of the momentum buffers, which PyTorch makes at the first step; empty before, and without momentum."""
        states = {name: self.optimizer.state.get(p, {}) for name, p in self.model.named_parameters()}
        buffers = {name: state.get("momentum_buffer") for name, state in states.items()}
        return OptimizerState({name: b.numpy().copy() for name, b in buffers.items() if b is not None}, 1.0)

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        self.optimizer.state.clear()
        if not self.hyperparameters.momentum:
            return
        parameters = dict(self.model.named_parameters())
        for name, array in state.scaled(1.0).items():
            buffer = torch.empty_like(parameters[name]).copy_(torch.tensor(array))  # channels-last too
            self.optimizer.state[parameters[name]]["momentum_buffer"] = buffer


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

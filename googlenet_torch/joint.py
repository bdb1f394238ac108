"""One batch in the parts of several processes, which ``DistributedDataParallel`` trains on as one process would."""

from __future__ import annotations

import torch
from torch import distributed, nn

from googlenet_torch.training import Training
from netparity.network.contract import Array, Hyperparameters, Step


class JointTraining(Training):
    """``Training`` where ``torch.distributed`` is initialised: its processes take each step together.

    Each has a part of the batch, and all have the same weights, at first those of rank 0.
    """

    shared = True

    def __init__(self, model: nn.Module, hyperparameters: Hyperparameters) -> None:
        super().__init__(model, hyperparameters)
        self.network = nn.parallel.DistributedDataParallel(model)
        self.loss = nn.CrossEntropyLoss(label_smoothing=hyperparameters.label_smoothing, reduction="sum")

    def step(self, images: Array, labels: Array) -> Step:
        """One step on this process's part of a batch; what all parts together saw."""
        x, y = torch.from_numpy(images).to(memory_format=torch.channels_last), torch.from_numpy(labels)
        logits = self.network(x)
        loss = self.loss(logits, y)
        right = (logits.argmax(dim=1) == y).sum().item()
        sums = torch.tensor([loss.item(), right, len(labels)], dtype=torch.float64)
        distributed.all_reduce(sums)
        joint_loss, joint_right, joint_images = sums.tolist()
        self.optimizer.zero_grad()
        # DDP takes the mean of the processes' gradients, however many images they had, or none.
        (loss * (distributed.get_world_size() / joint_images)).backward()
        self.optimizer.step()
        return Step(joint_loss / joint_images, joint_right / joint_images, int(joint_images))

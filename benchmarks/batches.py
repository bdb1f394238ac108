"""What preparing a batch costs beside a training step, and how much of that the background thread hides.

A step is PyTorch's, channels-last: forward, loss, backward and SGD on 128 images of 1 x 96 x 96. "preparing" resizes
and scales the images of a batch while nothing else goes on; "waiting" is what a step that takes its batch out of
``Batches`` waits for it, since it has been prepared during the step before.

Run: python benchmarks/batches.py
"""

from __future__ import annotations

import statistics
import time
from itertools import chain, count

import numpy as np
import torch
from timing import interleaved, print_ratios

from googlenet_np import Batches
from googlenet_np.images import prepare_images
from googlenet_torch import GoogLeNet
from netparity import Batch

BATCH_SIZE = 128
IMAGE_SIZE = (96, 96)
ROUNDS = 15
ALLOWED = 0.03


def main() -> None:
    """Prints the ratios of one run."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60_000, 28, 28), np.uint8)
    batches = Batches(images, random.integers(0, 10, len(images)), BATCH_SIZE, image_size=IMAGE_SIZE)
    model = GoogLeNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(batch: Batch) -> None:
        x, y = map(torch.from_numpy, batch)
        loss = torch.nn.functional.cross_entropy(model(x.to(memory_format=torch.channels_last)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    ready = next(batches.epoch(0))
    coming = chain.from_iterable(map(batches.epoch, count()))
    waited = []

    def step_with_batches() -> None:
        start = time.perf_counter()
        batch = next(coming)
        waited.append(time.perf_counter() - start)
        step(batch)

    jobs = {
        "step": lambda: step(ready),
        "step with batches": step_with_batches,
        "preparing": lambda: prepare_images(images[random.permutation(len(images))[:BATCH_SIZE]], IMAGE_SIZE),
    }
    seconds = interleaved(jobs, ROUNDS)
    beside = {"preparing": seconds.pop("preparing"), "waiting": waited[1:]}
    print_ratios(seconds, "step", {"step with batches": 1 + ALLOWED})
    share = {
        name: statistics.median(mine / whole for mine, whole in zip(took, seconds["step"], strict=True))
        for name, took in beside.items()
    }
    for name, part in share.items():
        print(f"{name}: {part:.2%} of a step (at most {ALLOWED:.0%}: {'met' if part <= ALLOWED else 'MISSED'})")
    print(f"hidden: {1 - share['waiting'] / share['preparing']:.1%} of the preparing")


if __name__ == "__main__":
    main()

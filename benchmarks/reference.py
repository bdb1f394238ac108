"""The NumPy reference beside PyTorch, both in float64: forward, gradients, and the cost of an image as batches grow.

Run: python benchmarks/reference.py
"""

# ruff: noqa: E402 – NumPy is imported before PyTorch imports it

from __future__ import annotations

from functools import partial

from netparity.system.openblas import import_numpy

import_numpy()

import torch
from timing import Jobs, interleaved, print_ratios

from googlenet_np import forward, gradients, init_weights, sample_images
from googlenet_torch import GoogLeNet, import_weights

ROUNDS = 7
BATCHES = (16, 64, 256)


def main() -> None:
    """Prints the ratios of one run."""
    weights = init_weights(0)
    images, labels = sample_images(16)
    model = GoogLeNet().double()
    import_weights(model, weights)
    torch_images, torch_labels = torch.from_numpy(images).double(), torch.from_numpy(labels)

    def torch_forward() -> None:
        with torch.inference_mode():
            model(torch_images)

    def torch_gradients() -> None:
        inputs = torch_images.clone().requires_grad_()
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), torch_labels).backward()

    print(f"16 images of 1x96x96, float64, {torch.get_num_threads()} threads")
    jobs: Jobs = {"PyTorch": torch_forward, "NumPy, every layer kept": partial(forward, weights, images)}
    print_ratios(interleaved(jobs, ROUNDS), "PyTorch", {"NumPy, every layer kept": 1.5})
    jobs = {"PyTorch": torch_gradients, "NumPy": partial(gradients, weights, images, labels)}
    print("\nForward and backward")
    print_ratios(interleaved(jobs, ROUNDS), "PyTorch", {"NumPy": 2.0})

    print("\nNumPy forward, cost of an image (logits kept)")
    batches = {batch: sample_images(batch)[0] for batch in BATCHES}
    took = interleaved(
        {str(batch): partial(forward, weights, batches[batch], layers=["fc"]) for batch in BATCHES}, rounds=5
    )
    per_image = {f"batch {batch}": [seconds / int(batch) for seconds in took[batch]] for batch in took}
    print_ratios(per_image, "batch 16", {"batch 256": 1.1})


if __name__ == "__main__":
    main()

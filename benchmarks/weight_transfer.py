"""Weights from NumPy into each framework and back, all 116 tensors, beside a plain copy of the same bytes.

A plain copy is one ``array.copy()`` for each tensor. A transfer is an import, its checks included, and an export; for
TensorFlow, whose kernels are HWIO, both permute axes.

Run: python benchmarks/weight_transfer.py
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from timing import interleaved, print_ratios

from googlenet_np import init_weights

FRAMEWORKS = {"torch": "torch", "tf": "tensorflow", "mx": "mxnet"}
ALLOWED = {"torch": 3.0, "tf": 8.0, "mx": 8.0}
ROUNDS = 15


def main() -> None:
    """Prints the ratios of one run."""
    weights = init_weights(0)
    size = sum(array.nbytes for array in weights.values())

    def copy() -> object:
        return {name: array.copy() for name, array in weights.items()}

    def transfer(name: str) -> Callable[[], object]:
        package = import_module(f"googlenet_{name}")
        model = package.GoogLeNet()
        package.import_weights(model, weights)

        def there_and_back() -> object:
            package.import_weights(model, weights)
            return package.export_weights(model)

        return there_and_back

    installed = [name for name, module in FRAMEWORKS.items() if find_spec(module)]
    print(f"{len(weights)} tensors, {size / 1e6:.1f} MB, NumPy to framework to NumPy")
    jobs = {"plain copy": copy, **{name: transfer(name) for name in installed}}
    print_ratios(interleaved(jobs, ROUNDS), "plain copy", ALLOWED)


if __name__ == "__main__":
    main()

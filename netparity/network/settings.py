"""What a case was: which network, weights and images were run, in a form that reports and traces can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from netparity.network.contract import Hyperparameters

CALLER = "the caller"
"""What a report says of weights and images that came from no file."""


@dataclass(frozen=True)
class CaseSettings:
    """What was run.

    Attributes:
        seed: The seed of the weights; None where they came from a file or from the caller.
        weights: The initialisation scheme of the weights, their file, or :data:`CALLER`.
        images: What the images are, their file, or :data:`CALLER`.
        shape: The images' shape, (N, C, H, W).
        num_classes: Logits of the network.
        dtypes: The precisions that were judged.
        network: The network's name; empty in what older versions wrote.
        hyperparameters: Those of the training, if there was one.
        gradient_images: On how many images, the first, a trace's gradients were taken; None for all.
    """

    seed: int | None
    weights: str
    images: str
    shape: tuple[int, int, int, int]
    num_classes: int
    dtypes: tuple[str, ...]
    network: str = ""
    hyperparameters: Hyperparameters | None = None
    gradient_images: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold, without what is not known."""
        plain = asdict(self) | {"shape": list(self.shape), "dtypes": list(self.dtypes)}
        optional = ("network", "hyperparameters", "gradient_images")
        return {name: value for name, value in plain.items() if value or name not in optional}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> CaseSettings:
        """What :meth:`to_json` gave, or an older version's settings.

        Raises:
            KeyError, TypeError, ValueError: Something is missing, or is not what it should be.
        """
        numbers = {"seed": plain["seed"], "gradient_images": plain.get("gradient_images")}
        for name, number in numbers.items():
            if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
                raise ValueError(f"the {name} is {number!r}")
        if numbers["gradient_images"] is not None and numbers["gradient_images"] < 1:
            raise ValueError(f"the gradient_images are {numbers['gradient_images']!r}")
        count, channels, height, width = map(int, plain["shape"])
        hyperparameters = plain.get("hyperparameters")
        return cls(
            **numbers,
            weights=str(plain["weights"]),
            images=str(plain["images"]),
            shape=(count, channels, height, width),
            num_classes=int(plain["num_classes"]),
            dtypes=tuple(map(str, plain["dtypes"])),
            network=str(plain.get("network", "")),
            hyperparameters=Hyperparameters(**hyperparameters) if hyperparameters else None,
        )

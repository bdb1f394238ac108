"""How far rounding alone can take a sum of products, derived, never tuned.

A layer's entry is a sum of n products plus a bias. Computed in floating point with unit roundoff u, in any order of
summation, with or without fused multiply-adds, it differs from the exact one by at most

    γ(n + 1) (|W| ∗ |x| + |b|),    γ(m) = m u / (1 - m u)

(Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1): an error beyond it is no rounding,
whatever the data. While roundings are independent of each other, the smaller

    γ~(m, λ) = exp(λ √m u + m u² / (1 - u)) - 1

holds for one sum of n products with probability at least 1 - 2 n exp(-λ² (1 - u)² / 2) (Higham & Mary, SIAM J. Sci.
Comput. 41 (5), 2019, Theorem 3.1). λ follows from the chance of a single false alarm in a whole run and from how many
products that run has: see :func:`confidence`.

An algorithm that is not a sum of these products (Winograd, FFT) is not covered by the bound, and may be reported so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netparity.network.contract import Array, DType

FALSE_ALARM = 1e-9
"""The chance that a run without a fault has a single entry beyond its bound: once in a billion runs, so that
an alarm is worth a person's time even where a continuous integration runs every minute."""

FLOAT64_GATE = 1e-12
"""Share of a tensor's largest entry, or of a gradient's largest terms (``GroundTruth.gradient_scales``), by which
float64 results may differ from the reference's. Right wirings agree to about 1e-15 and wrong ones differ by more than
1e-3, so it separates the two by orders of magnitude on both sides."""

UNIT_ROUNDOFF: dict[DType, float] = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Half the distance from 1 to the next number: rounding to nearest changes a result by at most this share of it."""


def gamma(m: int, u: float) -> float:
    """γ(m): what m roundings can do to one product at worst, as a share of it."""
    return m * u / (1 - m * u)


def probable_gamma(m: int, u: float, confidence: float) -> float:
    """γ~(m, λ): what m independent roundings do to one product with the probability that λ stands for."""
    return math.expm1(confidence * math.sqrt(m) * u + m * u**2 / (1 - u))


def confidence(products: int, u: float, false_alarm: float = FALSE_ALARM) -> float:
    """λ such that all sums of a run, of so many products, hold their probable bounds at once but for a false alarm."""
    return math.sqrt(2 * math.log(2 * products / false_alarm)) / (1 - u)


@dataclass(frozen=True)
class Bound:
    """The two bounds on a layer's entries, element by element.

    Attributes:
        magnitude: ``|W| ∗ |x| + |b|`` for each entry.
        certain_factor: γ, and the reference's own.
        probable_factor: γ~, and the reference's own; never above ``certain_factor``.
        underflow: What flushing to zero can add, the same for each entry.
    """

    magnitude: Array
    certain_factor: float
    probable_factor: float
    underflow: float

    @classmethod
    def of_sums(cls, magnitude: Array, length: int, dtype: DType, confidence: float, largest: float) -> Bound:
        """The bounds of sums of at most ``length`` products, bias included, computed in ``dtype``.

        Args:
            confidence: λ.
            largest: No input and no weight of these sums is larger.
        """
        u = UNIT_ROUNDOFF[dtype]
        # The reference rounds too, in float64.
        own = gamma(length, UNIT_ROUNDOFF["float64"])
        worst = gamma(length, u)
        probable = min(worst, probable_gamma(length, u, confidence))
        # A product, a partial sum, an input or a weight below the smallest normal number may be flushed to zero.
        underflow = float(np.finfo(dtype).tiny) * 2 * length * (1 + largest)
        return cls(magnitude, worst + own, probable + own, underflow)

    @property
    def certain(self) -> Array:
        """The bound beyond which an error is no rounding: a proof."""
        return self.magnitude * self.certain_factor + self.underflow

    @cached_property
    def probable(self) -> Array:
        """The bound beyond which an error is no rounding unless roundings depend on each other."""
        return self.magnitude * self.probable_factor + self.underflow


def flush(array: Array, dtype: DType) -> Array:
    """``array`` with every number below the smallest normal one of ``dtype`` set to zero, as frameworks may do."""
    return np.where(np.abs(array) < np.finfo(dtype).tiny, 0, array)

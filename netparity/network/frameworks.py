"""What is known of each framework without importing it. To add a framework, add a descriptor to the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from netparity.network.kinds import GlobalAvgPool2d, Shape


@dataclass(frozen=True)
class Framework:
    """A framework.

    Attributes:
        name: As backends are called, and the extra of this distribution that installs it: ``torch``.
        title: As people write it: ``PyTorch``.
        distributions: The packages that bring it, the usual one first.
        companions: What an environment needs beside it that its own metadata do not ask for.
        files: What its files of weights are called, where that is not its title.
        endings: How the names of its files of weights end, the usual ending first.
        read_endings: Further endings that the names of such files may have.
        scheme: The initialisation scheme that is the framework's own default.
        layout: The letters of its activations' axes: ``NCHW`` or ``NHWC``.
        pool_keeps_axes: Whether its global pool gives (N, C, 1, 1) where others give (N, C).
    """

    name: str
    title: str
    distributions: tuple[str, ...]
    companions: tuple[str, ...] = ("numpy",)
    files: str = ""
    endings: tuple[str, ...] = ()
    read_endings: tuple[str, ...] = ()
    scheme: str = ""
    layout: str = "NCHW"
    pool_keeps_axes: bool = False

    def shape(self, shape: Shape, kind: str) -> Shape:
        """The framework's own shape of an activation of this kind of layer, from (N, C, H, W) or (N, C)."""
        if self.layout == "NHWC":
            return (shape[0], *shape[2:], shape[1])
        return (*shape, 1, 1) if self.pool_keeps_axes and kind == GlobalAvgPool2d.kind else shape


FRAMEWORKS: Mapping[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework("torch", "PyTorch", ("torch",), endings=(".pt", ".pth"), scheme="pytorch"),
        Framework(
            "tf",
            "TensorFlow",
            ("tensorflow", "tensorflow-cpu", "tf-nightly"),
            files="Keras",
            endings=(".keras", ".weights.h5"),
            read_endings=(".h5",),  # Keras 2 gives it to weights and to models
            scheme="keras",
            layout="NHWC",
        ),
        Framework(
            "mx",
            "MXNet",
            ("mxnet",),
            # It imports distutils, which Python 3.12 no longer has, and does not say so.
            companions=("numpy<2", "setuptools"),
            endings=(".params",),
            scheme="gluon",
            pool_keeps_axes=True,  # its dense layer flattens
        ),
    )
}
"""By name, in the order in which people name them."""


def framework_of(distribution: str) -> Framework | None:
    """The framework that a package, spelt as indexes do (lower case, with hyphens), brings; None if it brings none."""
    return next((found for found in FRAMEWORKS.values() if distribution in found.distributions), None)


def how_to_install(extra: str) -> str:
    """The command that installs an extra of the distribution that brings the engine."""
    commands = entry_points(group="console_scripts", name="netparity")
    distribution = next((entry.dist.name for entry in commands if entry.dist is not None), "netparity")
    return f"pip install '{distribution}[{extra}]'"

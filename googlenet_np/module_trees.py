"""The names that the same 116 tensors have in other module trees, and the way back to the canonical ones.

Every tree is derived from ``GOOGLENET``. A tensor is found by its path in its own tree, never by its position in a
file: many shapes occur twice (all of 5a and 4e but one), so an order alone would prove nothing. The trees of the source
document are its three tabs (``Sequential`` of five ``Sequential`` and a dense layer) and the study note's ``net``.
"""

from __future__ import annotations

from collections.abc import Callable

from googlenet_np.architecture import GOOGLENET
from netparity.network.module_tree import ModuleTree

CONVOLUTIONS = [layer.name for layer in GOOGLENET.weighted if layer.name != "fc"]
BLOCKS = {
    block.name: [layer.name for layer in GOOGLENET.members(block.name) if layer.parameters]
    for block in GOOGLENET
    if block.joins
}
"""The names of each block's convolutions."""

STAGES = {
    stage: [layer.name for layer in GOOGLENET if layer.name.startswith(f"{stage}.") and layer.name.count(".") == 1]
    for stage in ("b1", "b2", "b3", "b4", "b5")
}
"""The names of each stage's own children: its convolutions, blocks and pools."""


def _branch(name: str) -> str:
    """``p1_1`` … ``p4_2``."""
    return name.rpartition(".")[2]


def _sequential(branch: Callable[[str], str] = _branch, *, relu_is_a_layer: bool) -> dict[str, str]:
    """Layer to path where every stage is a ``Sequential`` whose children are numbers; ``fc`` comes after the last."""
    paths = {}
    for number, children in enumerate(STAGES.values()):
        child = 0
        for name in children:
            if name in CONVOLUTIONS:
                paths[name] = f"{number}.{child}"
                child += relu_is_a_layer
            paths |= {inner: f"{number}.{child}.{branch(inner)}" for inner in BLOCKS.get(name, ())}
            child += 1
    return paths | {"fc": str(len(STAGES))}


def _keras_counted(stage: str, conv: str, branch: Callable[[str], str] | None = None) -> dict[str, str]:
    """Layer to path where Keras counts classes among siblings: ``sequential_2.inception_1.conv2d_3``.

    Args:
        stage: What it calls a stage's class.
        conv: What it calls the class of a stage's own convolution.
        branch: What it calls a layer in a block; None counts those too.
    """
    paths: dict[str, str] = {}
    for number, children in enumerate(STAGES.values()):
        parent = _counted(stage, number)
        own = [name for name in children if name in CONVOLUTIONS]
        paths |= {name: f"{parent}.{_counted(conv, i)}" for i, name in enumerate(own)}
        for i, block in enumerate(name for name in children if name in BLOCKS):
            for j, name in enumerate(BLOCKS[block]):
                last = branch(name) if branch else _counted("conv2d", j)
                paths[name] = f"{parent}.{_counted('inception', i)}.{last}"
    return paths | {"fc": "dense"}


def _counted(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


OWN_PATHS = {layer.name: layer.name for layer in GOOGLENET.weighted}
# Attributes, but for the blocks' layers, which Keras 3 counts.
KERAS_3_PATHS = OWN_PATHS | {
    name: f"{block}.{_counted('conv2d', i)}" for block, names in BLOCKS.items() for i, name in enumerate(names)
}
KERAS_NUMBERS = {name: f"conv2d_{i}" for i, name in enumerate(CONVOLUTIONS)} | {"fc": "dense_0"}
# Class and count within the enclosing name scope.
GLUON_PATHS = {
    **{name: f"conv{i}" for i, name in enumerate(("b1.conv", "b2.conv1", "b2.conv2"))},
    **{name: f"inception{i}_conv{j}" for i, names in enumerate(BLOCKS.values()) for j, name in enumerate(names)},
    "fc": "dense0",
}

PROJECT = ModuleTree("this project's tree", OWN_PATHS)
TORCH_SOURCE = ModuleTree("the source document's PyTorch tree", _sequential(relu_is_a_layer=True))
TORCH_NOTE = ModuleTree(
    "the study note's PyTorch tree", _sequential(lambda name: "b" + _branch(name)[1:], relu_is_a_layer=True)
)
GLUON_SOURCE = ModuleTree("the source document's MXNet tree", _sequential(relu_is_a_layer=False))
GLUON_EXPORT = ModuleTree("this project's tree as Gluon exports it", GLUON_PATHS, separator="_")
KERAS = (
    ModuleTree("this project's tree as Keras 3 writes it", KERAS_3_PATHS),
    ModuleTree("this project's tree as Keras 2 writes it", _keras_counted("stage", "conv2d", _branch)),
    ModuleTree("this project's tree as Keras 2 wrote it", _keras_counted("stage", "symmetric_conv2d", _branch)),
    ModuleTree("the source document's TensorFlow tree as Keras 3 writes it", _keras_counted("sequential", "conv2d")),
    ModuleTree(
        "the source document's TensorFlow tree as Keras 2 writes it", _keras_counted("sequential", "conv2d", _branch)
    ),
    ModuleTree("the source document's TensorFlow layers as Keras 2 numbers them in .h5", KERAS_NUMBERS),
)
"""In ``.weights.h5``, without the containers (``layers``, ``row``) that stand between the names; the last one in
Keras 2's ``.h5``, its numbers counted from 0."""

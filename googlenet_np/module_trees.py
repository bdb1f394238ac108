"""The names that the same 116 tensors have in other module trees, and the way back to the canonical ones.

Every tree is derived from ``GOOGLENET``. A tensor is found by its path in its own tree, never by its position in a
file: many shapes occur twice (all of 5a and 4e but one), so an order alone would prove nothing. The trees of the source
document are its three tabs (``Sequential`` of five ``Sequential`` and a dense layer) and the study note's ``net``.
"""

from __future__ import annotations

from collections.abc import Callable

from googlenet_np.architecture import GOOGLENET
from netparity.network.kinds import Concat, Conv2d, Layer
from netparity.network.module_tree import ModuleTree


def _stages() -> dict[str, list[Layer]]:
    """The layers that are a stage's own children, in order: blocks as such, and none of the layers inside them."""
    stages: dict[str, list[Layer]] = {}
    for layer in GOOGLENET:
        stage, *rest = layer.name.split(".")
        if len(rest) == 1:
            stages.setdefault(stage, []).append(layer)
    return stages


def _in_block(block: Layer) -> list[Conv2d]:
    return [layer for layer in GOOGLENET.weighted if isinstance(layer, Conv2d) and layer.name.startswith(block.name)]


def _branch(layer: Layer) -> str:
    """``p1_1`` … ``p4_2``."""
    return layer.name.rpartition(".")[2]


def _sequential(branch: Callable[[Layer], str] = _branch, *, relu_is_a_layer: bool) -> dict[str, str]:
    """Layer to path where every stage is a ``Sequential`` whose children are numbers; ``fc`` comes after the last."""
    paths = {}
    stages = _stages()
    for number, children in enumerate(stages.values()):
        child = 0
        for layer in children:
            if isinstance(layer, Conv2d):
                paths[layer.name] = f"{number}.{child}"
                child += relu_is_a_layer
            elif isinstance(layer, Concat):
                paths |= {inner.name: f"{number}.{child}.{branch(inner)}" for inner in _in_block(layer)}
            child += 1
    return paths | {"fc": str(len(stages))}


def _keras_counted(stage: str, conv: str, branch: Callable[[Layer], str] | None = None) -> dict[str, str]:
    """Layer to path where Keras counts classes among siblings: ``sequential_2.inception_1.conv2d_3``.

    Args:
        stage: What it calls a stage's class.
        conv: What it calls the class of a stage's own convolution.
        branch: What it calls a layer in a block; None counts those too.
    """
    paths: dict[str, str] = {}
    for number, children in enumerate(_stages().values()):
        own = [layer for layer in children if isinstance(layer, Conv2d)]
        paths |= {layer.name: f"{_counted(stage, number)}.{_counted(conv, i)}" for i, layer in enumerate(own)}
        for i, block in enumerate(layer for layer in children if isinstance(layer, Concat)):
            for j, layer in enumerate(_in_block(block)):
                name = branch(layer) if branch else _counted("conv2d", j)
                paths[layer.name] = f"{_counted(stage, number)}.{_counted('inception', i)}.{name}"
    return paths | {"fc": "dense"}


def _keras_numbered() -> dict[str, str]:
    """Layer to class and number, where those of a class are numbered through the whole network in canonical order."""
    convolutions = [layer for layer in GOOGLENET.weighted if isinstance(layer, Conv2d)]
    return {layer.name: f"conv2d_{i}" for i, layer in enumerate(convolutions)} | {"fc": "dense_0"}


def _keras_3_project() -> dict[str, str]:
    """Layer to path of ``googlenet_tf`` in Keras 3: attributes, but for the blocks' layers, which it counts."""
    paths = _project()
    for block in GOOGLENET:
        if isinstance(block, Concat):
            paths |= {layer.name: f"{block.name}.{_counted('conv2d', i)}" for i, layer in enumerate(_in_block(block))}
    return paths


def _gluon_export() -> dict[str, str]:
    """Layer to path as Gluon's ``export`` writes it: class and count within the enclosing name scope."""
    own = [layer for children in _stages().values() for layer in children if isinstance(layer, Conv2d)]
    paths = {layer.name: f"conv{i}" for i, layer in enumerate(own)}
    blocks = [layer for layer in GOOGLENET if isinstance(layer, Concat)]
    for i, block in enumerate(blocks):
        paths |= {layer.name: f"inception{i}_conv{j}" for j, layer in enumerate(_in_block(block))}
    return paths | {"fc": "dense0"}


def _counted(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _project() -> dict[str, str]:
    return {layer.name: layer.name for layer in GOOGLENET.weighted}


PROJECT = ModuleTree("this project's tree", _project())
TORCH_SOURCE = ModuleTree("the source document's PyTorch tree", _sequential(relu_is_a_layer=True))
TORCH_NOTE = ModuleTree(
    "the study note's PyTorch tree", _sequential(lambda layer: "b" + _branch(layer)[1:], relu_is_a_layer=True)
)
GLUON_SOURCE = ModuleTree("the source document's MXNet tree", _sequential(relu_is_a_layer=False))
GLUON_EXPORT = ModuleTree("this project's tree as Gluon exports it", _gluon_export(), separator="_")
KERAS = (
    ModuleTree("this project's tree as Keras 3 writes it", _keras_3_project()),
    ModuleTree("this project's tree as Keras 2 writes it", _keras_counted("stage", "symmetric_conv2d", _branch)),
    ModuleTree("this project's padding='same' as Keras 2 writes it", _keras_counted("stage", "conv2d", _branch)),
    ModuleTree("the source document's TensorFlow tree as Keras 3 writes it", _keras_counted("sequential", "conv2d")),
    ModuleTree(
        "the source document's TensorFlow tree as Keras 2 writes it", _keras_counted("sequential", "conv2d", _branch)
    ),
    ModuleTree("the source document's TensorFlow layers as Keras 2 numbers them in .h5", _keras_numbered()),
)
"""In ``.weights.h5``, without the containers (``layers``, ``row``) that stand between the names; the last one in
Keras 2's ``.h5``, its numbers counted from 0."""

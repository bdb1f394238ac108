"""Any network as a value: which layers it may have, and which of them are a block."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from netparity import IMAGES, Concat, Conv2d, Dense, GlobalAvgPool2d, Layer, Network, OptionError
from netparity.network import reference
from netparity.network.network import block_names
from netparity.show.html.network import draw_network
from netparity.show.layer_names import short_names


def joined(*names: str, block: str = "cat") -> Network:
    """Two convolutions of the stem's output, which ``block`` joins, under these names."""
    convolutions = (Conv2d(name, ("stem",), 3 + place, kernel_size=1) for place, name in enumerate(names))
    stem = Conv2d("stem", (IMAGES,), 2, kernel_size=1)
    head = GlobalAvgPool2d("pool", (block,)), Dense("fc", ("pool",))
    return Network("joined", (stem, *convolutions, Concat(block, names), *head))


BLOCK = joined("cat.a", "cat.b")
LOOSE = joined("a", "b")
"""What is joined is no block: the names say nothing of it."""


def small_weights(network: Network) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape) for name, shape in network.parameter_shapes().items()}


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ((Dense("fc", (IMAGES,)), Dense("fc", ("fc",))), "two layers are called 'fc'"),
        ((Dense(IMAGES, (IMAGES,)),), "a layer is called 'images', which stands for the input"),
        ((Dense("fc", ("pool",)),), "'fc' reads 'pool', which is no layer before it"),
        ((Dense("fc", ("fc",)),), "'fc' reads 'fc', which is no layer before it"),
        ((Dense("fc", ("pool",)), GlobalAvgPool2d("pool", (IMAGES,))), "'fc' reads 'pool', which is no layer before"),
        ((Dense("fc", ()),), "'fc' reads nothing"),
        ((), "it has no layers"),
    ],
    ids=["doubled", "the input's name", "unknown", "itself", "later", "nothing", "no layers"],
)
def test_layers_that_make_no_network(layers: tuple[Layer, ...], complaint: str) -> None:
    with pytest.raises(OptionError, match=f"^The network 'wrong' cannot be: {complaint}.*; expected "):
        Network("wrong", layers)


@pytest.mark.parametrize(
    ("names", "blocks"),
    [
        (("stem", "b.a", "b", "fc"), ("", "b", "b", "")),
        (("a", "cat"), ("", "")),
        (("b.p1.conv", "b.p1.pool", "b"), ("b", "b", "b")),
        (("b.p1.conv", "b.p1", "b.a", "b"), ("b.p1", "b.p1", "b", "b")),
    ],
    ids=["block", "joined without a block", "names of three parts", "block in a block"],
)
def test_a_block_is_known_by_its_layers_names(names: tuple[str, ...], blocks: tuple[str, ...]) -> None:
    assert tuple(block_names(names).values()) == blocks


def test_a_network_goes_by_the_same_rule() -> None:
    for network in (BLOCK, LOOSE):
        assert {layer.name: network.block_of(layer) for layer in network} == block_names(network.names)
    assert BLOCK.block_of(BLOCK["cat"]) == BLOCK.block_of(BLOCK["cat.a"]) == "cat"
    assert LOOSE.block_of(LOOSE["cat"]) == ""
    assert list(short_names(LOOSE.names).values()) == list(LOOSE.names)


def test_a_block_alone_is_right() -> None:
    weights, x = small_weights(BLOCK), np.random.default_rng(1).standard_normal((2, 2, 3, 4))
    parts = [reference.layer(BLOCK, name, weights, x) for name in ("cat.a", "cat.b")]
    np.testing.assert_array_equal(reference.layer(BLOCK, "cat", weights, x), np.concatenate(parts, axis=1))


def test_what_reads_several_layers_cannot_be_called_alone() -> None:
    inputs = np.ones((2, 3, 4, 5))
    with pytest.raises(OptionError, match=r"^'cat' reads 'a' and 'b' and so cannot be computed alone; expected one"):
        reference.layer(LOOSE, "cat", small_weights(LOOSE), inputs)


@pytest.mark.parametrize(
    "network",
    [
        BLOCK,
        LOOSE,
        Network("apart", (Conv2d("b.a", (IMAGES,), 2, 1), GlobalAvgPool2d("pool", ("b.a",)), Dense("b", ("pool",)))),
    ],
    ids=["block", "joined without a block", "block in two places"],
)
def test_every_network_is_drawn(network: Network) -> None:
    pieces = draw_network(network, {"x": {"fc": 2.0}}, network.output_shapes())
    assert sorted(box.name for piece in pieces for box in piece.boxes) == sorted(network.names)

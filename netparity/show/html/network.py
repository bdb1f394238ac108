"""Where the picture of a network has its boxes and lines: from its layers, a piece for each block.

Units are pixels of a phone's screen; a piece is as wide as that and is never scaled down, so its words stay legible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from netparity.network.kinds import Layer
from netparity.network.network import Network
from netparity.show.html.axes import WIDTH
from netparity.show.html.heat import BEYOND, brief, heat_level, share_text

GAP = 8
BOX = 38
"""Height of a layer: a line of words over a line of stripes."""
STEP = BOX + 16
"""From the top of one layer to the top of the next."""
CHARACTERS = 26
"""Units that a stripe needs for its number."""
TIP_LINE = 15
TIP_WIDTH = 200


@dataclass(frozen=True)
class Stripe:
    """One backend's part of a layer's box."""

    x: float
    width: float
    level: str
    text: str


@dataclass(frozen=True)
class Box:
    """One layer.

    Attributes:
        name: Its canonical name.
        label: What it does, in few characters.
        x, y, width: Where its left upper corner is, and its width; its height is :data:`BOX`.
        stripes: One for each backend.
        tip: What is shown on the pointer's or the keyboard's demand, line by line.
        tip_x, tip_y, tip_height: Where; above the box, since what is drawn later would cover it elsewhere.
        beyond: Whether a backend is beyond its bound here.
    """

    name: str
    label: str
    x: float
    y: float
    width: float
    stripes: Sequence[Stripe]
    tip: Sequence[str]
    tip_x: float
    tip_y: float
    tip_height: float
    beyond: bool


@dataclass(frozen=True)
class Piece:
    """A part of the network that is drawn by itself: a block with what follows it, or the stem.

    Attributes:
        height: The height of the drawing.
        lines: From where to where data flow, as an SVG path.
        boxes: In canonical order from top to bottom.
    """

    title: str
    height: float
    lines: str
    boxes: Sequence[Box]


def draw_network(
    network: Network, shares: Mapping[str, Mapping[str, float]], shapes: Mapping[str, tuple[int, ...]]
) -> list[Piece]:
    """The whole network, piece by piece.

    Args:
        shares: By backend and layer, the share of its bound that it uses; what is missing was not measured.
        shapes: The shape of each layer's output, for one image.
    """
    drawer = _Drawer(network, shares, shapes)
    return [drawer.piece(layers) for layers in _pieces(network)]


def _pieces(network: Network) -> Iterator[list[Layer]]:
    """The stem, and each block with the single layers that follow it."""
    members: list[Layer] = []
    for block, layers in groupby(network, key=network.block_of):
        if block and members:
            yield members
            members = []
        members += layers
    yield members


@dataclass(frozen=True)
class _Drawer:
    network: Network
    shares: Mapping[str, Mapping[str, float]]
    shapes: Mapping[str, tuple[int, ...]]

    def piece(self, layers: Sequence[Layer]) -> Piece:
        boxes: list[Box] = []
        y, middle = 14.0, WIDTH / 2
        lines = [f"M{middle} 0V{y}"]
        block = self.network.block_of(layers[0])
        inside = [layer for layer in layers if block and self.network.block_of(layer) == block]
        if len(inside) == 1:
            inside = []  # the rest of the block stands elsewhere: it is drawn as a layer without a block
        if inside:
            y = self._block(inside, y, boxes, lines)
        for layer in layers[len(inside) :]:
            boxes.append(self._box(layer, GAP * 5, y, WIDTH - GAP * 10, f"{layer.name}: "))
            lines.append(f"M{middle} {y + BOX}V{y + STEP}")
            y += STEP
        stages = ", ".join(dict.fromkeys(layer.name.partition(".")[0] for layer in layers))
        title = f"{stages}: {block.rpartition('.')[2].replace('_', ' ') or 'stem'}"
        return Piece(title, y, "".join(lines), boxes)

    def _block(self, layers: Sequence[Layer], y: float, boxes: list[Box], lines: list[str]) -> float:
        """The paths of a block side by side and what joins them; the height below it."""
        paths = _paths(layers[:-1])
        rows = max(map(len, paths))
        width = (WIDTH - (len(paths) - 1) * GAP) // len(paths)
        centres = [width / 2 + place * (width + GAP) for place in range(len(paths))]
        top = y + 10
        joined = top + rows * STEP
        lines.append(f"M{WIDTH / 2} {y - 6}V{top - 8}M{centres[0]} {top - 8}H{centres[-1]}")
        # Row by row, so that a tip, which is above its box, covers what is drawn before it.
        for row in range(rows):
            for path, centre in zip(paths, centres, strict=True):
                if (place := row - rows + len(path)) >= 0:
                    boxes.append(self._box(path[place], centre - width / 2, top + row * STEP, width))
        for path, centre in zip(paths, centres, strict=True):
            first = rows - len(path)
            lines.append(f"M{centre} {top - 8}V{top + first * STEP}")
            lines += [f"M{centre} {top + row * STEP + BOX}V{top + (row + 1) * STEP}" for row in range(first, rows)]
        boxes.append(self._box(layers[-1], 0, joined, WIDTH))
        lines.append(f"M{WIDTH / 2} {joined + BOX}V{joined + STEP}")
        return joined + STEP

    def _box(self, layer: Layer, x: float, y: float, width: float, name: str = "") -> Box:
        shares = {backend: found.get(layer.name) for backend, found in self.shares.items()}
        shape = self.shapes[layer.name]
        tip = [layer.name, f"{layer.words}, {'×'.join(map(str, shape))}"]
        tip += [f"{backend}: {share_text(share)}" for backend, share in shares.items()]
        tip_x = min(max(0.0, x + width / 2 - TIP_WIDTH / 2), WIDTH - TIP_WIDTH)
        tip_height = TIP_LINE * len(tip) + 8
        each = width / max(1, len(shares))
        stripes, beyond = [], False
        for place, share in enumerate(shares.values()):
            wrong = share is not None and not share <= 1
            text = brief(share) if each >= CHARACTERS else BEYOND * wrong
            stripes.append(Stripe(x + place * each, each, heat_level(share), text))
            beyond |= wrong
        label, tip_y = name + layer.label(shape), y - tip_height - 3
        return Box(layer.name, label, x, y, width, stripes, tip, tip_x, tip_y, tip_height, beyond)


def _paths(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers in chains, in each of which a layer reads the one before it."""
    paths: list[list[Layer]] = []
    for layer in layers:
        if paths and layer.inputs == (paths[-1][-1].name,):
            paths[-1].append(layer)
        else:
            paths.append([layer])
    return paths

"""Where the picture of the network has its boxes and lines: from the architecture table, a piece for each block.

Units are pixels of a phone's screen; a piece is as wide as that and is never scaled down, so its words stay legible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from googlenet_np.architecture import GOOGLENET, Concat, Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d
from googlenet_parity.html.heat import brief, heat_level, share_text

__all__ = ["WIDTH", "Box", "Piece", "Stripe", "draw_network"]

WIDTH = 344
GAP = 8
COLUMN = (WIDTH - 3 * GAP) // 4
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
        x, y, width: Of its left upper corner; its height is :data:`BOX`.
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
    stripes: tuple[Stripe, ...]
    tip: tuple[str, ...]
    tip_x: float
    tip_y: float
    tip_height: float
    beyond: bool

    @property
    def words(self) -> str:
        """The tip in a line, for who hears the page."""
        return "; ".join(self.tip)


@dataclass(frozen=True)
class Piece:
    """A part of the network that is drawn by itself: a block with what follows it, or the stem.

    Attributes:
        title: Its name.
        height: Of the drawing.
        lines: From where to where data flow, as an SVG path.
        boxes: In canonical order from top to bottom.
    """

    title: str
    height: float
    lines: str
    boxes: tuple[Box, ...]


def draw_network(shares: Mapping[str, Mapping[str, float]], shapes: Mapping[str, tuple[int, ...]]) -> tuple[Piece, ...]:
    """The whole network.

    Args:
        shares: By backend and layer, the share of its bound that it uses; what is missing was not measured.
        shapes: Of each layer's output, for one image.
    """
    return tuple(_Drawer(shares, shapes).piece(title, layers) for title, layers in _pieces())


def _pieces() -> Iterator[tuple[str, list[Layer]]]:
    """The stem, and each block with the single layers that follow it, under the stages' names."""
    members: list[Layer] = []
    for block, layers in groupby(GOOGLENET, key=_block):
        if block:
            yield _title(members), members
            members = []
        members += layers
    yield _title(members), members


def _title(layers: Sequence[Layer]) -> str:
    stages = ", ".join(dict.fromkeys(layer.name.partition(".")[0] for layer in layers))
    block = _block(layers[0]).replace("_", " ")
    return f"{stages}: {block or 'stem'}"


def _block(layer: Layer) -> str:
    """The block that a layer is in, or is; empty if it is in none."""
    parts = layer.name.split(".")
    return parts[1] if len(parts) == 3 or isinstance(layer, Concat) else ""


class _Drawer:
    def __init__(self, shares: Mapping[str, Mapping[str, float]], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shares = shares
        self._shapes = shapes

    def piece(self, title: str, layers: Sequence[Layer]) -> Piece:
        boxes: list[Box] = []
        lines: list[str] = []
        y, middle = 14.0, WIDTH / 2
        lines.append(f"M{middle} 0V{y}")
        inside = [layer for layer in layers if _block(layer)]
        if inside:
            y = self._inception(inside, y, boxes, lines)
        for layer in layers[len(inside) :]:
            boxes.append(self._box(layer, GAP * 5, y, WIDTH - GAP * 10, f"{layer.name}: "))
            lines.append(f"M{middle} {y + BOX}V{y + STEP}")
            y += STEP
        return Piece(title, y, "".join(lines), tuple(boxes))

    def _inception(self, layers: Sequence[Layer], y: float, boxes: list[Box], lines: list[str]) -> float:
        """Four branches side by side and what joins them; the height below it."""
        branches = [list(members) for _, members in groupby(layers[:-1], key=lambda layer: layer.name[-3:-2])]
        centres = [COLUMN / 2 + place * (COLUMN + GAP) for place in range(len(branches))]
        top, joined = y + 10, y + 10 + 2 * STEP
        lines.append(f"M{WIDTH / 2} {y - 6}V{top - 8}M{centres[0]} {top - 8}H{centres[-1]}")
        # Row by row, so that a tip, which is above its box, covers what is drawn before it.
        for row in range(2):
            for branch, centre in zip(branches, centres, strict=True):
                layer = branch[row - 2] if len(branch) + row >= 2 else None
                if layer is not None:
                    boxes.append(self._box(layer, centre - COLUMN / 2, top + row * STEP, COLUMN))
        for branch, centre in zip(branches, centres, strict=True):
            lines.append(f"M{centre} {top - 8}V{top + (2 - len(branch)) * STEP}")
            lines.append(f"M{centre} {top + BOX}V{top + STEP}" * (len(branch) - 1))
            lines.append(f"M{centre} {top + STEP + BOX}V{joined}")
        boxes.append(self._box(layers[-1], 0, joined, WIDTH))
        lines.append(f"M{WIDTH / 2} {joined + BOX}V{joined + STEP}")
        return joined + STEP

    def _box(self, layer: Layer, x: float, y: float, width: float, name: str = "") -> Box:
        shares = {backend: found.get(layer.name) for backend, found in self._shares.items()}
        tip = (
            layer.name,
            f"{_words(layer)}, {'×'.join(map(str, self._shapes[layer.name]))}",
            *(f"{backend}: {share_text(share)}" for backend, share in shares.items()),
        )
        height = TIP_LINE * len(tip) + 8
        tip_x = min(max(0.0, x + width / 2 - TIP_WIDTH / 2), WIDTH - TIP_WIDTH)
        return Box(
            layer.name,
            name + _label(layer, self._shapes[layer.name]),
            x,
            y,
            width,
            tuple(_stripes(list(shares.values()), x, width)),
            tip,
            tip_x,
            y - height - 3,
            height,
            any(share is not None and not share <= 1 for share in shares.values()),
        )


def _stripes(shares: Sequence[float | None], x: float, width: float) -> Iterator[Stripe]:
    each = width / max(1, len(shares))
    for place, share in enumerate(shares):
        text = brief(share) if each >= CHARACTERS else "✕" * (share is not None and share > 1)
        yield Stripe(x + place * each, each, heat_level(share), text)


def _label(layer: Layer, shape: tuple[int, ...]) -> str:
    match layer:
        case Conv2d(kernel_size=size):
            return f"{size}×{size}, {shape[0]}"
        case MaxPool2d():
            return "max-pool"
        case GlobalAvgPool2d():
            return "global average pool"
        case Dense():
            return f"dense, {shape[0]}"
    return f"concatenation, {shape[0]}"


def _words(layer: Layer) -> str:
    match layer:
        case Conv2d(kernel_size=size, stride=stride) | MaxPool2d(kernel_size=size, stride=stride):
            return f"{layer.kind} {size}×{size}" + (f" / {stride}" if stride > 1 else "")
    return layer.kind

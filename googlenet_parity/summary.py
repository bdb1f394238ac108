"""The network in numbers: shapes as each framework has them, parameters, multiply-adds, and the paper's Table 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from googlenet_np.architecture import LayerRow, check_count, layer_table

__all__ = ["FRAMEWORKS", "PAPER", "Framework", "PaperRow", "paper_rows", "print_summary", "stage_rows"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Framework:
    """How a framework lays out what the canonical layout calls (N, C, H, W).

    Attributes:
        name: The framework.
        layout: The letters of its activations' axes.
        shape: From a canonical shape with batch, and the layer's kind, to the framework's own.
    """

    name: str
    layout: str
    shape: Callable[[Shape, str], Shape]


def _channels_last(shape: Shape, kind: str) -> Shape:
    return (shape[0], *shape[2:], shape[1])


def _pool_keeps_axes(shape: Shape, kind: str) -> Shape:
    return (*shape, 1, 1) if kind == "avg-pool" else shape


FRAMEWORKS = (
    Framework("PyTorch", "NCHW", lambda shape, kind: shape),
    Framework("TensorFlow", "NHWC", _channels_last),
    Framework("MXNet", "NCHW", _pool_keeps_axes),  # its global pool keeps 1×1; its dense layer flattens
)


@dataclass(frozen=True)
class PaperRow:
    """A line of the paper's Table 1: its own figures, in its own units.

    Attributes:
        name: As here: ``conv1``, ``conv2`` (with its 1×1 reduction), ``3a`` … ``5b``, ``linear``.
        layers: Prefixes of the canonical names that the line covers.
        kilo_parameters: "params", in K.
        mega_operations: "ops", in M.
    """

    name: str
    layers: tuple[str, ...]
    kilo_parameters: float
    mega_operations: float


PAPER = (
    PaperRow("conv1", ("b1.conv",), 2.7, 34),
    PaperRow("conv2", ("b2.conv1", "b2.conv2"), 112, 360),
    PaperRow("3a", ("b3.inception_3a",), 159, 128),
    PaperRow("3b", ("b3.inception_3b",), 380, 304),
    PaperRow("4a", ("b4.inception_4a",), 364, 73),
    PaperRow("4b", ("b4.inception_4b",), 437, 88),
    PaperRow("4c", ("b4.inception_4c",), 463, 100),
    PaperRow("4d", ("b4.inception_4d",), 580, 119),
    PaperRow("4e", ("b4.inception_4e",), 840, 170),
    PaperRow("5a", ("b5.inception_5a",), 1072, 54),
    PaperRow("5b", ("b5.inception_5b",), 1388, 71),
    PaperRow("linear", ("fc",), 1000, 1),
)
"""Table 1 of Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842, for 3×224×224 and 1000 classes."""

KILO = 1024
"""The paper's K: with it, and not with 1000, its channel numbers give 112 K for conv2, 159 K for 3a, 380 K for 3b."""
MEGA = 1_000_000
"""The paper's M: 359.7 million multiply-adds are its 360 M of conv2."""

AGREEMENT = 0.015
"""Up to this share of difference, its rounding aside, a figure of the paper counts as what its architecture gives:
the paper counts no biases. The figures beyond it are off by at least 1.6 %."""

NOTE = (
    "Figures marked * are the paper's own and do not follow from the channel numbers that its table gives: conv1 as "
    "described has 64 kernels of 7×7×3, thus 9.2 K and 118 M; 2.7 K and 34 M are what 64 kernels of 7×1×3 and 64 of "
    "1×7×3 would have. The others are off by 2 to 8 %. This network follows the channel numbers, as the source "
    "document does."
)


def stage_rows(image_size: tuple[int, int], in_channels: int, num_classes: int) -> list[tuple[str, LayerRow, int, int]]:
    """For each of b1 … b5 and fc: its name, its last layer, and its parameters and multiply-adds together."""
    rows = layer_table(in_channels, num_classes, image_size)
    stages = dict.fromkeys(row.name.partition(".")[0] for row in rows)
    result = []
    for stage in stages:
        members = [row for row in rows if row.name.partition(".")[0] == stage]
        result.append((stage, members[-1], *_totals(members)))
    return result


def paper_rows() -> list[tuple[PaperRow, int, int]]:
    """The paper's lines, each with this network's parameters and multiply-adds in the paper's own setting."""
    rows = layer_table(in_channels=3, num_classes=1000, image_size=(224, 224))
    return [(line, *_totals([row for row in rows if _covers(line, row.name)])) for line in PAPER]


def print_summary(
    console: Console,
    image_size: tuple[int, int],
    in_channels: int,
    num_classes: int,
    batch_size: int,
    *,
    layers: bool = False,
) -> None:
    """Two tables and a note.

    Raises:
        OptionError: A size or a count is not a whole number of 1 or more.
    """
    check_count("batch_size", batch_size)
    height, width = image_size
    title = f"GoogLeNet at {batch_size}×{in_channels}×{height}×{width} (N×C×H×W), {num_classes} classes"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer" if layers else "stage")
    for framework in FRAMEWORKS:
        table.add_column(f"{framework.name}\n[dim]{framework.layout}[/]")
    for column in ("parameters", "multiply-adds\n[dim]per image[/]"):
        table.add_column(column, justify="right")
    every = layer_table(in_channels, num_classes, image_size)
    shown = (
        [(row.name, row, row.parameters, row.multiply_adds) for row in every]
        if layers
        else stage_rows(image_size, in_channels, num_classes)
    )
    for name, row, parameters, multiply_adds in shown:
        canonical = (batch_size, *row.output_shape)
        shapes = ["×".join(map(str, framework.shape(canonical, row.kind))) for framework in FRAMEWORKS]
        table.add_row(name, *shapes, f"{parameters:,}", f"{multiply_adds:,}")
    table.add_section()
    parameters, multiply_adds = _totals(every)
    table.add_row("all", "", "", "", f"{parameters:,}", f"{multiply_adds:,}", style="bold")
    console.print(table)
    console.print()
    console.print(_paper_table())
    console.print(NOTE, style="dim", highlight=False)


def _paper_table() -> Table:
    table = Table(
        title="Beside the paper's Table 1 (arXiv 1409.4842), at 3×224×224 and 1000 classes",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("layer")
    for column in ("parameters", "in K", "paper", "multiply-adds", "in M", "paper"):
        table.add_column(column, justify="right")
    for line, parameters, operations in paper_rows():
        table.add_row(
            line.name,
            f"{parameters:,}",
            f"{parameters / KILO:,.1f}",
            _marked(line.kilo_parameters, "K", parameters / KILO),
            f"{operations:,}",
            f"{operations / MEGA:,.1f}",
            _marked(line.mega_operations, "M", operations / MEGA),
        )
    return table


def _marked(paper: float, unit: str, ours: float) -> str:
    """The paper's figure, marked where it is not what its architecture gives."""
    rounding = 0.5 / paper if paper == int(paper) else 0.05 / paper
    agrees = abs(ours / paper - 1) <= AGREEMENT + rounding
    return f"{paper:g} {unit}" + ("  " if agrees else " [red]*[/]")


def _totals(rows: Sequence[LayerRow]) -> tuple[int, int]:
    return sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)


def _covers(line: PaperRow, name: str) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in line.layers)

"""What others published of a network: a table of its layers' sizes, and what a training came to."""

from __future__ import annotations

from dataclasses import dataclass

from netparity.network.network import Network


@dataclass(frozen=True)
class PublishedRow:
    """A line of a published table: its own figures, in its own units.

    Attributes:
        name: As it is called here.
        layers: The canonical names that the line covers; a block's name covers the layers inside it.
        kilo_parameters: Parameters, in K.
        mega_operations: Operations, in M.
    """

    name: str
    layers: tuple[str, ...]
    kilo_parameters: float
    mega_operations: float

    def covers(self, layer: str) -> bool:
        """Whether the line covers the layer of that name."""
        return any(layer == name or layer.startswith(f"{name}.") for name in self.layers)


@dataclass(frozen=True)
class PublishedTable:
    """A published table of a network's sizes.

    Attributes:
        title: What it is, and for which images and classes.
        rows: Its lines.
        in_channels, num_classes, image_size: What it is for.
        kilo, mega: What its K and M are.
        agreement: The share by which a figure may differ, its own rounding aside, and still count as what the
            architecture gives.
        note: What is to be said of the figures that differ.
    """

    title: str
    rows: tuple[PublishedRow, ...]
    in_channels: int
    num_classes: int
    image_size: tuple[int, int]
    kilo: float
    mega: float
    agreement: float
    note: str = ""

    def beside(self, network: Network) -> list[tuple[PublishedRow, int, int]]:
        """Each line, with the network's parameters and multiply-adds in the table's own setting."""
        rows = network.table(self.in_channels, self.num_classes, self.image_size)
        found = []
        for line in self.rows:
            covered = [row for row in rows if line.covers(row.name)]
            found.append((line, sum(row.parameters for row in covered), sum(row.multiply_adds for row in covered)))
        return found


@dataclass(frozen=True)
class PublishedTraining:
    """What somebody else's training came to: from … to, since people's runs differ.

    Attributes:
        label: Whose it is.
        train_loss, train_accuracy, test_accuracy: Numbers after the last of the ``epochs``.
    """

    label: str
    train_loss: tuple[float, float]
    train_accuracy: tuple[float, float]
    test_accuracy: tuple[float, float]
    epochs: int

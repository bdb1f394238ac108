"""The picture of a training: what is in it, that it is the same each time, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from googlenet_np.published import TRAINING
from netparity.network.errors import FileError, OptionError
from netparity.show.curves import plot
from parity_tests.support.command import LIMIT
from parity_tests.support.tiers import representative

pytest.importorskip("matplotlib", reason="Matplotlib is not installed")

TORCH = [
    {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.25, "test_accuracy": 0.5},
    {"epoch": 2, "train_loss": 0.5, "train_accuracy": 0.75, "test_accuracy": 0.625},
]
TF = [{"epoch": 1, "train_loss": 1.5, "train_accuracy": 0.375, "test_accuracy": 0.4375}]


def axes_of(draw: Callable[[], None]) -> list[Any]:
    """The axes of the figure that is drawn."""
    from matplotlib.figure import Figure

    kept = []

    def savefig(figure: Figure, *args: Any, **kwargs: Any) -> None:
        kept.extend(figure.axes)

    with patch.object(Figure, "savefig", savefig):
        draw()
    return kept


def lines_of(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def test_all_that_the_histories_say(tmp_path: Path) -> None:
    losses, accuracies = axes_of(lambda: plot({"torch": TORCH, "tf": TF}, tmp_path / "curves.svg"))
    assert lines_of(losses) == {"torch, train": ([1, 2], [2.0, 0.5]), "tf, train": ([1], [1.5])}
    assert lines_of(accuracies) == {
        "torch, train": ([1, 2], [0.25, 0.75]),
        "torch, test": ([1, 2], [0.5, 0.625]),
        "tf, train": ([1], [0.375]),
        "tf, test": ([1], [0.4375]),
    }
    assert [axes.get_xlabel() for axes in (losses, accuracies)] == ["epoch", "epoch"]
    assert [axes.get_ylabel() for axes in (losses, accuracies)] == ["loss", "accuracy"]
    colours = {line.get_label(): line.get_color() for line in accuracies.get_lines()}
    assert colours["torch, train"] == colours["torch, test"] != colours["tf, test"]


def test_published_values_beside_them(tmp_path: Path) -> None:
    losses, accuracies = axes_of(lambda: plot({"torch": TORCH}, tmp_path / "curves.svg", published=TRAINING))
    bands = [
        (patch.get_label(), *patch.get_extents().transformed(axes.transData.inverted()).get_points()[:, 1])
        for axes in (losses, accuracies)
        for patch in axes.patches
    ]
    assert [band[0] for band in bands] == [
        "published, PyTorch, train",
        "published, PyTorch, train",
        "published, PyTorch, test",
    ]
    np.testing.assert_allclose([band[1:] for band in bands], [(0.25, 0.26), (0.900, 0.905), (0.886, 0.887)])


def test_an_svg_that_can_be_read(tmp_path: Path) -> None:
    plot({"torch": TORCH}, tmp_path / "curves.svg", published=TRAINING)
    words = "".join(ElementTree.parse(tmp_path / "curves.svg").getroot().itertext())
    for word in ("epoch", "loss", "accuracy", "torch, train", "torch, test", "published, PyTorch, test"):
        assert word in words


def test_a_png_that_can_be_read(tmp_path: Path) -> None:
    plot({"torch": TORCH}, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert image.width > 2 * image.height
        assert len(image.convert("RGB").getcolors(2**24) or ()) > 50


@pytest.mark.parametrize("ending", representative(["svg", "png", "pdf"], quick=["svg"]))
def test_the_same_histories_give_the_same_file(tmp_path: Path, ending: str) -> None:
    for name in ("one", "two"):
        plot({"torch": TORCH, "tf": TF}, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"ends in '\.gif'; expected \.svg, \.png, \.pdf\.$"):
        plot({"torch": TORCH}, tmp_path / "curves.gif")
    with pytest.raises(OptionError, match="no epoch to draw"):
        plot({"torch": []}, tmp_path / "curves.svg")
    with pytest.raises(FileError, match="Cannot write"):
        plot({"torch": TORCH}, tmp_path / "missing" / "curves.svg")
    assert list(tmp_path.iterdir()) == []


def test_no_global_state(tmp_path: Path) -> None:
    """Neither pyplot, which has figures of its own, nor settings, nor a window."""
    code = (
        "import sys, matplotlib; from pathlib import Path; from netparity.show.curves import plot\n"
        "def settings():  # but for the backend, which matplotlib settles when it is asked for\n"
        "    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != 'backend'}\n"
        "before = settings()\n"
        f"plot({{'torch': {TORCH!r}}}, Path({str(tmp_path / 'curves.svg')!r}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)


def test_importing_it_imports_no_matplotlib() -> None:
    code = "import sys, netparity.show.curves, netparity.cli.main; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)

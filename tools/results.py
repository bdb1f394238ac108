"""Keeps the histories of real trainings under docs/results, and draws them together beside the published result.

    python tools/results.py [RUN ...]

Each RUN is a folder that ``googlenet-parity train`` has written; its history becomes docs/results/BACKEND.json. What is
there already is drawn with it. Where a run was written to (``--out``) is nobody else's business, and left out.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from googlenet_np.files import atomic_write
from googlenet_parity import curves
from googlenet_parity.training import HISTORY

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


def main(folders: Sequence[str]) -> None:
    """Takes the runs in, and draws all that are kept."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        keep(Path(folder))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    histories = {f"{name}, {len(kept['epochs'])} epochs": kept["epochs"] for name, kept in results.items()}
    for suffix in ("svg", "png"):
        curves.plot(histories, RESULTS / f"curves.{suffix}", published=curves.PUBLISHED)


def keep(folder: Path) -> None:
    """One run's history, as it is, but for where it was written."""
    settings, *epochs = map(json.loads, (folder / HISTORY).read_text(encoding="utf-8").splitlines())
    result: dict[str, Any] = {
        **settings,
        "format": "googlenet-parity result",
        "command": without_out(settings["command"]),
        "epochs": epochs,
    }
    with atomic_write(RESULTS / f"{settings['backend']}.json") as file:
        file.write((json.dumps(result, indent=2) + "\n").encode())


def without_out(command: str) -> str:
    """The command without ``--out`` and its value.

    >>> without_out("googlenet-parity train mx --out some/where --epochs 3 --out=else/where")
    'googlenet-parity train mx --epochs 3'
    """
    words = shlex.split(command)
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before != "--out" and word != "--out" and not word.startswith("--out=")
    ]
    return shlex.join(kept)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Keeps the histories of real trainings under docs/results, and draws them together beside the published result.

    python tools/results.py [RUN ...]

Each RUN is a folder that ``netparity train`` has written; its history becomes docs/results/BACKEND.json. What is
there already is drawn with it. Where a run was written to (``--out``) is nobody else's business, and left out.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from googlenet_np.published import TRAINING
from netparity.show import curves
from netparity.show.json_file import write_json
from netparity.train.loop import HISTORY

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


def main(folders: Sequence[str]) -> None:
    """Takes the runs in, and draws all that are kept."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        keep(Path(folder))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    trainings = {name: kept["epochs"] for name, kept in results.items() if "epochs" in kept}
    histories = {f"{name}, {len(epochs)} epochs": epochs for name, epochs in trainings.items()}
    for suffix in ("svg", "png"):
        curves.plot(histories, RESULTS / f"curves.{suffix}", published=TRAINING)


def keep(folder: Path) -> None:
    """One run's history, as it is, but for where it was written."""
    settings, *epochs = map(json.loads, (folder / HISTORY).read_text(encoding="utf-8").splitlines())
    kept = {name: value for name, value in settings.items() if not name.startswith("format")}
    kept |= {"command": without_out(settings["command"]), "epochs": epochs}
    write_json(RESULTS / f"{settings['backend']}.json", "result", kept)


def without_out(command: str) -> str:
    """The command without ``--out`` and its value.

    >>> without_out("netparity train mx --out some/where --epochs 3 --out=else/where")
    'netparity train mx --epochs 3'
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

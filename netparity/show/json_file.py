"""Results as JSON, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netparity.files.disk import atomic_write

FORMAT_VERSION = 1


def write_json(path: Path, kind: str, document: Mapping[str, Any]) -> None:
    """Writes a document after its ``format``, which names its kind, and its ``format_version``.

    Numbers that JSON lacks (infinity, NaN) are null.

    Raises:
        FileError: The file cannot be written.
    """
    write_plain_json(path, {"format": f"netparity {kind}", "format_version": FORMAT_VERSION, **document})


def write_plain_json(path: Path, value: Any) -> None:
    """Writes a value as it is, as :func:`write_json` does it."""
    with atomic_write(path) as file:
        file.write(json.dumps(_plain(value), indent=1, allow_nan=False).encode() + b"\n")


def _plain(value: Any) -> Any:
    """The same with null for each number that JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

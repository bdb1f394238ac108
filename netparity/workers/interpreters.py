"""Other Python interpreters, in which a worker finds its framework and NumPy, and nothing of this project."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from netparity.network.errors import OptionError
from netparity.network.registered import BACKEND_GROUP, GROUP

OLDEST = (3, 10)
"""The oldest Python that this project's code runs on."""

# Any Python since 2.7 understands it, and says why it cannot go on.
START = f"""\
import sys
if sys.version_info < {OLDEST}:
    sys.exit("Python %d.%d is too old; this project's code needs {OLDEST[0]}.{OLDEST[1]}." % sys.version_info[:2])
from netparity.workers.worker import main
main()
"""

FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__")
"""Variables that say where this interpreter finds its modules, and would lead another one astray."""


def find_interpreter(path: str) -> str:
    """The absolute path of an interpreter: a file, or a command's name.

    Raises:
        OptionError: There is none, or it cannot be run.
    """
    found = shutil.which(Path(path).expanduser())
    if found is None:
        exists = Path(path).exists()
        raise OptionError(
            f"{path!r} {'is no program that can be run' if exists else 'does not exist'}; "
            f"expected a Python interpreter, such as /opt/env/bin/python."
        )
    return str(Path.cwd() / found)  # not resolved: a link is what makes a virtual environment's Python its own


def worker_environment(python: str | None, folder: Path, target: str) -> dict[str, str]:
    """The variables of a worker's process: this one's, and where another interpreter finds what it is to import.

    Args:
        python: The other interpreter; None for this one.
        folder: Where links to the packages may be put: beside them may lie packages for this interpreter alone.
        target: The backend's ``module:attribute``, whose package goes along if this interpreter has it.
    """
    if python is None:
        return dict(os.environ)
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    # A backend imports its network's package, and may be made of another backend.
    registered = [entry.value for group in (GROUP, BACKEND_GROUP) for entry in entry_points(group=group)]
    for place in map(_package, ("netparity", *registered, target)):
        if place is not None and not (packages / place.name).exists():
            (packages / place.name).symlink_to(place)
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**own, "PYTHONPATH": str(packages)}


@contextlib.contextmanager
def same_import_path() -> Iterator[None]:
    """Within it, processes that are started find the modules that this one finds: pytest, too, adds folders."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _package(target: str) -> Path | None:
    """The package, or the single file, that a ``module:attribute`` is in, if there is one; nothing is imported."""
    name = target.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(name) if name else None
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    return Path(spec.origin) if spec is not None and spec.origin else None

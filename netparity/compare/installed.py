"""Isolated Python environments, made once for each content and kept.

An environment is a folder named by a hash of what was asked for: requirements, interpreter, system. A stamp in it,
written last, lists the packages that came; while the folder holds just those, it is used again. One that an
interruption left half-made has no stamp, and one that somebody has changed no longer fits it: both are made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netparity.files.disk import atomic_write
from netparity.network.errors import NetparityError
from netparity.system.text import printable
from netparity.workers.interpreters import FOREIGN, find_interpreter

STAMP = "netparity.json"
INTERPRETER = Path("bin", "python")
FORMAT_VERSION = 1

LAST_LINES = 4
"""How many of the lines that an installer prints are kept, for the message when it fails."""

LISTING = """\
import importlib.metadata, json, platform
found = {(d.metadata["Name"] or "?", d.version) for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "packages": dict(sorted(found))}))
"""
"""What an environment says of itself."""

Tell = Callable[[str], None]


class InstallationError(NetparityError):
    """An environment cannot be made; the message has the installer's own last lines."""


@dataclass(frozen=True)
class Environment:
    """A finished environment: its interpreter with its version, and every distribution in it with its version."""

    python: str
    version: str
    packages: dict[str, str]


def prepare(
    requirements: Sequence[str], cache: Path, *, python: str | None = None, base: Path | None = None, tell: Tell = print
) -> Environment:
    """The environment that holds these requirements: the one in the cache, or a new one.

    uv makes it where there is one, else venv and pip; either follows its own configuration.

    Args:
        requirements: As pip takes them.
        cache: The folder of all environments; it need not exist.
        python: The interpreter that it is made with; None for this one's.
        base: The folder that paths among the requirements start from.
        tell: Called with each line of what the installer does.

    Raises:
        InstallationError: It cannot be made; nothing half-made is used.
        OptionError: There is no such interpreter.
    """
    made_with = find_interpreter(python) if python else getattr(sys, "_base_executable", sys.executable)
    asked = {
        "format_version": FORMAT_VERSION,
        "requirements": [*requirements],
        "python": made_with,
        "version": _said_by(made_with, "import sys; print(sys.version)"),
        "platform": sysconfig.get_platform(),
        "files": {requirement: _content(path) for requirement in requirements if (path := _path(requirement, base))},
    }
    folder = cache / hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_suffix(".lock"), tell):
        if kept := _kept(folder):
            return kept
        if folder.exists():
            shutil.rmtree(folder)
        for command in _commands(folder, made_with, requirements):
            _install(command, base, tell)
        environment = _described(folder)
        stamp = {**asked, "packages": environment.packages}
        with atomic_write(folder / STAMP) as file:
            file.write(json.dumps(stamp, indent=1).encode() + b"\n")
        return environment


def _commands(folder: Path, made_with: str, requirements: Sequence[str]) -> Iterator[list[str]]:
    own = str(folder / INTERPRETER)
    if uv := shutil.which("uv"):
        yield [uv, "venv", "--quiet", "--python", made_with, str(folder)]
        yield [uv, "pip", "install", "--python", own, *requirements]
    else:
        yield [made_with, "-m", "venv", str(folder)]
        quiet = ("--disable-pip-version-check", "--no-input", "--progress-bar=off")
        yield [own, "-m", "pip", "install", *quiet, *requirements]


def _install(command: Sequence[str], base: Path | None, tell: Tell) -> None:
    """Runs one step of an installation; whatever interrupts it ends it."""
    lines: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        command,
        cwd=base,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name not in (*FOREIGN, "VIRTUAL_ENV")},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if words := printable(line.strip()):
                lines.append(words)
                tell(words)
        code = process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        process.stdout.close()
    if code:
        raise InstallationError("\n".join(lines) or f"{command[0]} ended with exit code {code}, without a word.")


def _kept(folder: Path) -> Environment | None:
    """The finished environment in a folder, if it is what its stamp says."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        environment = _described(folder)
        return environment if environment.packages == stamp["packages"] else None
    except (OSError, ValueError, KeyError, TypeError, InstallationError):
        return None


def _described(folder: Path) -> Environment:
    python = str(folder / INTERPRETER)
    told = json.loads(_said_by(python, LISTING))
    return Environment(python, told["python"], told["packages"])


def _said_by(python: str, source: str) -> str:
    try:
        return subprocess.run(
            [python, "-I", "-c", source], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallationError(f"{python} does not run as a Python interpreter: {error}.") from None


def _path(requirement: str, base: Path | None) -> Path | None:
    """The file or folder that a requirement names, if it is one."""
    if not requirement.startswith((".", "/", "~")):
        return None
    path = (base or Path()) / Path(requirement).expanduser()
    return path if path.exists() else None


def _content(path: Path) -> str:
    """A hash of a file, or of all files in a folder: what is installed from there."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _lock(path: Path, tell: Tell) -> Iterator[None]:
    """Only one process at a time makes an environment, or looks at it."""
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            tell("waiting for another run that makes the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

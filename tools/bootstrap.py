"""Makes the virtual environment .venv in which make runs everything, and keeps it in step with its inputs.

    python3 tools/bootstrap.py [--any-python] [--extra docs]

A finished environment carries a stamp: which Python made it, where, with which extras, and a hash of the files that
decide its content. While the stamp fits, there is nothing to do. Where only those files have changed, or an extra is
asked for that is not there yet, pip brings the environment up to date; an extra that is there stays. In every other
case (no stamp: the last run was interrupted; another Python; the tree has moved) it is made anew. The stamp is removed
first and written last, so an interrupted run never leaves a half-made one that looks whole.

Standard library only, and nothing newer than Python 3.6: an old Python must get as far as the sentence that says so.
"""

import argparse
import collections
import hashlib
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Deque, Dict, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
STAMP = "googlenet-parity.json"
INPUTS = ("pyproject.toml", "constraints.txt", "tools/bootstrap.py")
OLDEST, NEWEST = (3, 10), (3, 12)
MXNET_WHEELS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"))

PIP_INSTALL = ("-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off")
CONSTRAINTS = ("--constraint", "constraints.txt")
EXTRAS = ("all", "dev")
PIP_STEPS = ("Collecting", "Processing", "Downloading", "Building", "Preparing", "Installing")
LAST_LINES = 20
CLEAR_LINE = "\r\033[K"


class SetupError(Exception):
    """The environment cannot be made; the message is one sentence, with pip's last lines where pip failed."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The exit status: 0 when the environment is ready, 1 when it cannot be made, 130 when interrupted."""
    parser = argparse.ArgumentParser(description="Make .venv, or bring it up to date.")
    parser.add_argument(
        "--any-python", action="store_true", help="an existing .venv may be of another Python version than this one"
    )
    parser.add_argument("--extra", action="append", default=[], help="install this extra too, beside all and dev")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly exit, which takes pip down too
    try:
        check_system(os.name)
        with lock(ROOT):
            set_up(ROOT, options.any_python, options.extra)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the next make starts the set-up again.", file=sys.stderr)
        return 130
    return 0


def set_up(root: Path, any_python: bool = False, more: Sequence[str] = ()) -> None:
    """Leaves a whole, current environment in ``root``/.venv, the extras ``more`` in it, with little work."""
    venv = root / ".venv"
    python = venv / "bin" / "python"
    stamp = venv / STAMP
    version = "{}.{}".format(*sys.version_info[:2])
    inputs = hash_of_inputs(root)
    found = read_stamp(stamp) if python.exists() else {}
    usable = found.get("root") == str(root) and (any_python or found.get("python") == version)
    there = set(found.get("extras", "").split()) if usable else set()
    if usable and found.get("inputs") == inputs and there.issuperset(more):
        return

    began = time.time()
    if not usable:
        check_python(sys.version_info[:2])
        check_modules("venv", "ensurepip")
    remove(stamp)
    if not usable:
        say(f"Making .venv with Python {platform.python_version()}")
        remove(venv)
        run([base_python(), "-m", "venv", str(venv)], root, "Python's venv module")
    if (sys.platform, platform.machine()) not in MXNET_WHEELS:
        say(no_mxnet(sys.platform, platform.machine()))
    say("Installing the project and its frameworks; this takes a minute or more")
    extras = sorted(there.union(more))
    project = ".[{}]".format(",".join((*EXTRAS, *extras)))
    run([str(python), *PIP_INSTALL, *CONSTRAINTS, "--editable", project], root, "pip")
    made_with = found["python"] if usable else version
    content = {"python": made_with, "root": str(root), "inputs": inputs, "extras": " ".join(extras)}
    stamp.write_text(json.dumps(content))
    say(f".venv is ready after {time.time() - began:.0f} s")


def check_system(name: str) -> None:
    if name != "posix":
        raise SetupError("make works on Linux and macOS; elsewhere install with pip: pip install '.[torch,tf]'.")


def check_python(version: Tuple[int, ...]) -> None:
    if not OLDEST <= version <= NEWEST:
        this, oldest, newest = ("{}.{}".format(*numbers) for numbers in (version, OLDEST, NEWEST))
        raise SetupError(
            f"this is Python {this}, and googlenet-parity needs {oldest} to {newest}; "
            f"name another one, for example: make PYTHON=python{newest} parity"
        )


def check_modules(*modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            raise SetupError(
                f"this Python ({sys.executable}) has no module '{module}', which a virtual environment is made with; "
                "on Debian and Ubuntu: apt-get install python3-venv"
            ) from None


def no_mxnet(system: str, machine: str) -> str:
    """What to tell where MXNet has no wheel. Leaving it out is done by the markers in pyproject.toml."""
    system = {"linux": "Linux", "darwin": "macOS"}.get(system, system)
    return (
        f"MXNet is left out, since it has no wheel for {system} on {machine} (only for Linux on x86_64 and aarch64, "
        "and for macOS on x86_64); PyTorch and TensorFlow work without it"
    )


def base_python() -> str:
    """This Python; where .venv is activated, the one behind it, since .venv is about to be removed."""
    return getattr(sys, "_base_executable", sys.executable)


def hash_of_inputs(root: Path) -> str:
    digests = [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in INPUTS]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def read_stamp(path: Path) -> Dict[str, str]:
    """What the stamp says; an empty dictionary where there is none that can be read."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def remove(path: Path) -> None:
    """Removes whatever is at ``path``: a folder, a link, a file, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif path.exists() or path.is_symlink():
        path.unlink()


def lock(root: Path) -> IO[str]:
    """A context in which no other set-up of the same tree runs; it ends with the process, however that ends."""
    import fcntl  # here, because Windows has none, and check_system has a sentence for it

    file = (root / "pyproject.toml").open()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("Waiting for another make that is setting up the same tree")
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


class Output(threading.Thread):
    """Reads a process' output to its end; keeps the last lines, and the step that pip is at."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.last_lines: Deque[str] = collections.deque(maxlen=LAST_LINES)
        self.step = ""

    def run(self) -> None:
        with self.stream:
            for line in self.stream:
                self.last_lines.append(line.rstrip())
                if line.lstrip().startswith(PIP_STEPS):
                    self.step = line.strip()


def run(command: List[str], root: Path, what: str) -> None:
    """Runs ``command`` in ``root``, its output held back; shows that it goes on and, if it fails, its last lines."""
    process = subprocess.Popen(
        command,
        cwd=str(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    output = Output(process.stdout)
    output.start()
    try:
        show_steps(process, output)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    output.join(timeout=5)
    if process.returncode:
        raise SetupError("{} failed; its last lines:\n    {}".format(what, "\n    ".join(output.last_lines)))


def show_steps(process: "subprocess.Popen[str]", output: Output) -> None:
    """Until ``process`` ends: on a terminal one line that changes every second, elsewhere a line now and then."""
    terminal = sys.stdout.isatty()
    began = time.time()
    while True:
        try:
            process.wait(timeout=1 if terminal else 15)
        except subprocess.TimeoutExpired:
            line = f"  {time.time() - began:3.0f} s  {output.step}"[: shutil.get_terminal_size().columns - 1]
            print(CLEAR_LINE + line if terminal else line, end="" if terminal else "\n", flush=True)
        else:
            print(CLEAR_LINE if terminal else "", end="", flush=True)
            return


def say(sentence: str) -> None:
    print(f"{sentence}.", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Makes .venv, in which make runs everything, or brings it up to date: bootstrap.py [--any-python] [EXTRA]...

A finished .venv carries a stamp: the Python that made it, where, its extras, and a hash of INPUTS. Where all fit, there
is nothing to do; where only extras or inputs differ, pip installs in place; else it is made anew. The stamp is removed
first and written last, so what an interrupted run leaves does not look whole.

Standard library only, and nothing newer than Python 3.6: an old Python must get as far as the sentence that says so.
"""

import collections
import fcntl
import hashlib
import json
import shutil
import signal
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

INPUTS = ("pyproject.toml", "constraints.txt", "tools/bootstrap.py")
OLDEST, NEWEST = (3, 10), (3, 12)
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off", "-c", "constraints.txt", "-e")


def main(root: Path, arguments: "list[str]") -> None:
    """Sets ``root`` up; of several at once, one after the other, since a lock ends only with its process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly exit, which takes pip along
    with (root / "pyproject.toml").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Waiting for another make that is setting up the same tree.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        set_up(root, "--any-python" in arguments, set(arguments) - {"--any-python"})


def set_up(root: Path, any_python: bool, extras: "set[str]") -> None:
    """Leaves a whole, current environment in ``root``/.venv, or exits with a sentence that says why it cannot."""
    venv, python, stamp = (root / ".venv" / name for name in ("", "bin/python", "googlenet-parity.json"))
    version, oldest, newest = ("{}.{}".format(*numbers[:2]) for numbers in (sys.version_info, OLDEST, NEWEST))
    try:
        found = dict(json.loads(stamp.read_text()))
    except (OSError, TypeError, ValueError):
        found = {}
    usable = python.exists() and found.get("root") == str(root) and (any_python or found.get("python") == version)
    wanted = {
        "python": found["python"] if usable else version,
        "root": str(root),
        "inputs": hashlib.sha256(b"\0".join((root / name).read_bytes() for name in INPUTS)).hexdigest(),
        "extras": " ".join(sorted(extras.union(found.get("extras", "").split() if usable else ()))),
    }
    if usable and found == wanted:
        return
    if not usable and not OLDEST <= sys.version_info[:2] <= NEWEST:
        needs = f"googlenet-parity needs {oldest} to {newest}; name another one, for example"
        sys.exit(f"error: this is Python {version}, and {needs}: make PYTHON=python{newest} parity")
    if stamp.exists():
        stamp.unlink()
    if not usable:
        print(f"Making .venv with Python {version}.", flush=True)
        venv.unlink() if venv.is_symlink() else shutil.rmtree(str(venv), ignore_errors=True)
        # Where .venv is activated, the Python that made it makes the new one.
        run([getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(venv)], root, "Python's venv module")
    print("Installing the project and its frameworks; this takes a minute or more.", flush=True)
    run([str(python), *PIP, ".[{}]".format(",".join(["all", "dev", *wanted["extras"].split()]))], root, "pip")
    stamp.write_text(json.dumps(wanted))
    print(".venv is ready.", flush=True)


def run(command: "list[str]", root: Path, what: str) -> None:
    """Runs ``command``, its latest line shown on a terminal alone; exits with its last lines where it fails."""
    lines = collections.deque(maxlen=20)  # type: collections.deque[str]
    with Popen(command, cwd=str(root), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.decode("utf-8", "replace").rstrip())
                if sys.stdout.isatty():
                    print("\r\033[K  " + lines[-1][: shutil.get_terminal_size().columns - 3], end="", flush=True)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    print("\r\033[K" if sys.stdout.isatty() else "", end="", flush=True)
    if process.returncode:
        sys.exit("error: {} failed; its last lines:\n    {}".format(what, "\n    ".join(lines)))


if __name__ == "__main__":
    try:
        main(Path(__file__).resolve().parent.parent, sys.argv[1:])
    except KeyboardInterrupt:
        print("Interrupted; the next make starts the set-up again.", file=sys.stderr)
        sys.exit(130)

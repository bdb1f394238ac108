"""What a pickle would call if it were loaded, read off its instructions; none of them is run."""

from __future__ import annotations

import io
import pickletools
import zipfile


def called_names(content: bytes) -> list[str]:
    """The functions and classes that a pickle names, or the pickle in a PyTorch file, sorted.

    Whoever writes a pickle by hand can hide names from this, so that an empty list proves nothing.

    Args:
        content: The whole file; it may be damaged, and then the names up to there are found.
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                inner = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
                content = archive.read(inner)
        except (zipfile.BadZipFile, StopIteration, NotImplementedError, RuntimeError, EOFError, OSError):
            return []
    names: set[str] = set()
    texts: list[str] = []  # pushed so far, those from the memo again
    memo: dict[int, str] = {}
    file = io.BytesIO(content)
    try:
        while file.tell() < len(content):  # PyTorch's older files are several pickles in a row
            memo.clear()
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name in ("GLOBAL", "INST"):
                    names.add(str(argument).replace(" ", "."))
                elif opcode.name == "STACK_GLOBAL":
                    names.add(".".join(texts[-2:]))
                elif opcode.name == "MEMOIZE":
                    memo[len(memo)] = texts[-1] if texts else ""
                elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
                    memo[int(argument or 0)] = texts[-1] if texts else ""
                elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
                    texts.append(memo.get(int(argument or 0), ""))
                elif isinstance(argument, str):
                    texts.append(argument)
    except Exception:  # of any kind: a damaged file sends pickletools anywhere
        pass
    return sorted(names)

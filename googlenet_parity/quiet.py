"""Keeping what frameworks' libraries print away from the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from googlenet_np.errors import GoogLeNetError

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what a framework's libraries write to standard error from the terminal, unless the block fails.

    TensorFlow greets, below Python and before it reads any setting that would have it be silent.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as written:
        terminal = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        except (GoogLeNetError, KeyboardInterrupt):
            raise  # what went wrong has its own sentence
        except BaseException:
            written.seek(0)
            os.write(terminal, written.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)

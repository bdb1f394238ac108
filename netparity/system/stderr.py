"""Keeping what frameworks' libraries print away from the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*expected: type[Exception]) -> Iterator[None]:
    """Keeps what a framework's libraries write to standard error from the terminal, unless the block fails.

    TensorFlow greets, below Python and before it reads any setting that would have it be silent.

    Args:
        expected: Exceptions whose own message says all; what the libraries wrote is not shown with them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as written:
        terminal = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, (*expected, KeyboardInterrupt)):
                written.seek(0)
                os.write(terminal, written.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)

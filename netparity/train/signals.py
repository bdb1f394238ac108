"""How a signal ends a training: the first after the step under way, saved; the second at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netparity.train.loop import Run


@contextmanager
def stopped_by_signals(run: Run, stopping: Callable[[], None]) -> Iterator[list[int]]:
    """Lets Ctrl-C or SIGTERM stop the run within its block, and gives the list that the signals' numbers go into.

    Several processes would have to agree on the step after which they stop; so there, signals do what they did before.

    At the first signal, ``stopping`` is called; the second raises :class:`KeyboardInterrupt`.
    """
    signals: list[int] = []

    def handler(number: int, _: Any) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)
        run.stop = True
        stopping()

    caught = (signal.SIGINT, signal.SIGTERM) if run.training.count == 1 else ()
    before = {number: signal.signal(number, handler) for number in caught}
    try:
        yield signals
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)

"""How far work is, as a live display."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from netparity.system.progress import ProgressListener


@contextlib.contextmanager
def progress(
    console: Console, tasks: Sequence[str], *, off_terminal: bool = False, remaining: bool = False
) -> Iterator[ProgressListener]:
    """A live line for each task, gone in the end; where the console is no terminal, nothing.

    Args:
        console: Where it is shown.
        tasks: Their names. A task that reports without being among them gets its line then.
        off_terminal: Where the console is no terminal, print a line when a task begins and when it ends.
        remaining: Show the time that is left instead of the time that has passed.
    """
    time = TimeRemainingColumn if remaining else TimeElapsedColumn
    lines = Progress(
        _WordsColumn(lambda task: str(task.fields["task"]), Column(no_wrap=True, max_width=max(8, console.width // 3))),
        BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
        _WordsColumn(_count, Column(no_wrap=True, justify="right")),
        time(table_column=Column(no_wrap=True)),
        _WordsColumn(lambda task: task.description, Column(), style="dim"),  # the one column that gives way
        console=console,
        transient=True,
        # Where standard output is a file, its lines are not for the terminal that has the bars.
        redirect_stdout=False,
        disable=not console.is_terminal,
    )
    numbers = {task: lines.add_task("waiting", total=None, start=False, task=task) for task in tasks}
    printed: set[tuple[str, bool]] = set()

    def listener(task: str, done: float, total: float, step: str) -> None:
        if task not in numbers:
            numbers[task] = lines.add_task(step, task=task)
        lines.start_task(numbers[task])
        lines.update(numbers[task], completed=done, total=total or None, description=step)
        ended = done == total
        if off_terminal and not console.is_terminal and (not done or ended) and (task, ended) not in printed:
            printed.add((task, ended))
            console.print(f"{task}: {step}", markup=False, highlight=False, soft_wrap=True)

    with lines:
        yield listener


def _count(task: Task) -> str:
    """How many of how many; empty for a share."""
    if not task.total or task.total <= 1 or task.total != int(task.total):
        return ""
    return f"{task.completed:,.0f}/{task.total:,.0f}"


class _WordsColumn(ProgressColumn):
    """Words about a task as they are, on one line."""

    def __init__(self, words: Callable[[Task], str], column: Column, style: str = "") -> None:
        super().__init__(column)
        self._words = words
        self._style = style

    def render(self, task: Task) -> Text:
        return Text(self._words(task), self._style, no_wrap=True, overflow="ellipsis")

"""The frame of every page: templates filled in, what comes from outside escaped, and the file written atomically."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netparity.files.disk import atomic_write
from netparity.network.errors import OptionError
from netparity.network.frameworks import how_to_install
from netparity.show.html import axes, network
from netparity.show.html.heat import LEGEND

if TYPE_CHECKING:
    from jinja2 import Environment


def check_html(path: Path, new_folder: Path | None = None) -> None:
    """Raises unless pages can be written: to be called before the work whose result a page is to show.

    Args:
        path: Where the page is to be.
        new_folder: A folder that will be made before the page is written, unless it is there already.

    Raises:
        OptionError: Jinja2 is not installed, or there can be no file at ``path``.
    """
    _check_jinja()
    if path.is_dir():
        raise OptionError(f"--html is '{path}', which is a folder; expected the name of a file.")
    if new_folder and path.parent.resolve() == new_folder.resolve() and not new_folder.exists():
        return
    if not path.parent.is_dir():
        raise OptionError(f"--html is '{path}', but there is no folder '{path.parent}' for it.")
    if not os.access(path.parent, os.W_OK):
        raise OptionError(f"--html is '{path}', but nothing can be written into the folder '{path.parent}'.")


def _check_jinja() -> None:
    if find_spec("jinja2") is None:
        raise OptionError(f"--html needs Jinja2, which is not installed ({how_to_install('report')}).")


def write_page(path: Path, template: str, verdict: tuple[str, str], arguments: Sequence[str], /, **values: Any) -> None:
    """Fills in a template of this package and writes the page. The same values give the same file.

    Every value is escaped, whatever it holds: names of backends, messages and paths come from outside.

    Args:
        template: The name of a template that extends ``base.html.j2``.
        verdict: A status, and the sentence that explains it.
        arguments: Those of the command, which the page repeats.
        values: What the template shows besides.

    Raises:
        OptionError: Jinja2 is not installed.
        FileError: The file cannot be written.
    """
    _check_jinja()
    status, sentence = verdict
    page = _environment().get_template(template)
    content = page.render(status=status, sentence=sentence, command=shell_line(arguments), **values)
    with atomic_write(path) as file:
        file.write(content.encode(errors="replace"))  # a path on the command line may hold bytes that are no text


@cache
def _environment() -> Environment:
    """Where the templates are found, each compiled once: a training writes its page after every epoch."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Autoescape is decided for all files: Jinja's own rule goes by endings, and knows no .j2.
    environment = Environment(
        loader=PackageLoader("netparity.show.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(axes=axes, drawing=network, legend=LEGEND)
    return environment


def shell_line(arguments: Sequence[str]) -> str:
    """The command that a shell takes for ``arguments``, the options of the console script."""
    return shlex.join(["netparity", *arguments])

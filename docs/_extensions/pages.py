"""What the pages need beside Sphinx' own: each page with code as a notebook, and links to files that open."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from posixpath import basename
from typing import Any

import nbformat
from docutils import nodes
from plain_markdown import UnknownDirectiveError, plain
from sphinx import addnodes
from sphinx.directives.code import LiteralIncludeReader
from sphinx.util import logging
from sphinx_design.shared import create_component

logger = logging.getLogger(__name__)

NEEDS = (
    "This page of the site of googlenet-parity as a notebook. It needs the packages and a kernel; in a clone: "
    "`pip install '.[all]' ipykernel`."
)
FILES = "notebook_files"
"""In a page's front matter: modules that its cells import, which no package brings; its notebook writes them itself."""

SITE_ONLY = "site-only"
"""The tag of cells that make sense on the site alone."""

TABS = {"tab-torch": "PyTorch", "tab-tf": "TensorFlow", "tab-mx": "MXNet"}
"""Tags of cells that stand in a tab each, where they follow each other. MyST-NB runs no cell inside of a directive, so
the source has them in a row, as the notebook does."""


SHARED = re.compile(r"^ {4}(?P<names>(?:[a-z_0-9]+, )+[a-z_0-9]+): (?P<text>.*)$")
"""An entry of a docstring's section for several names."""


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", split_shared_entries, priority=400)  # before Napoleon's own
    app.connect("doctree-read", offer_notebook)
    app.connect("doctree-read", put_cells_in_tabs)
    app.connect("doctree-resolved", open_pages)
    app.connect("html-page-context", level_captions, priority=900)  # after the theme's own
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def split_shared_entries(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """``a, b: text`` becomes an entry for each; Napoleon would take ``a,`` for the type of ``b``."""
    split: list[str] = []
    while lines:
        line = lines.pop(0)
        if not (found := SHARED.match(line)):
            split.append(line)
            continue
        rest: list[str] = []
        while lines and lines[0].startswith(" " * 8):
            rest.append(lines.pop(0))
        for each in found["names"].split(", "):
            split += [f"    {each}: {found['text']}", *rest]
    lines[:] = split


def has_cells(doctree: Any) -> bool:
    return any(node.get("nb_element") == "cell_code" for node in doctree.findall(nodes.container))


def offer_notebook(app: Any, doctree: Any) -> None:
    """Below its title, a page with code offers itself as a notebook."""
    if not has_cells(doctree):
        return
    docname = app.env.docname
    app.env.metadata[docname]["notebook"] = True
    file = f"{basename(docname)}.ipynb"
    link = nodes.raw("", f'<a href="{file}" download>Download this page as a notebook</a>', format="html")
    title = next(iter(doctree.findall(nodes.title)))
    title.parent.insert(title.parent.index(title) + 1, nodes.paragraph("", "", link, classes=["notebook"]))


def put_cells_in_tabs(app: Any, doctree: Any) -> None:
    """Cells in a row that have tags of ``TABS`` become one tab set, as sphinx-design's directives would make it."""
    tab_set: Any = None
    for cell in [node for node in doctree.findall(nodes.container) if node.get("nb_element") == "cell_code"]:
        tag = next((tag for tag in TABS if f"tag_{tag}" in cell["classes"]), None)
        parent: Any = cell.parent
        if tag is None:
            continue
        place = parent.index(cell)
        if place == 0 or parent[place - 1] is not tab_set:
            tab_set = create_component("tab-set", classes=["sd-tab-set"])
            parent.insert(place, tab_set)
        parent.remove(cell)
        label = nodes.rubric("", TABS[tag], classes=["sd-tab-label"])
        label["sync_group"], label["sync_id"] = "framework", tag.removeprefix("tab-")
        content = create_component("tab-content", classes=["sd-tab-content"], children=[cell])
        tab_set += create_component("tab-item", classes=["sd-tab-item"], children=[label, content])


def open_pages(app: Any, doctree: Any, docname: str) -> None:
    """A link to an HTML file among the sources opens it; Sphinx would have it saved."""
    for node in list(doctree.findall(addnodes.download_reference)):
        if node.get("filename", "").endswith(".html"):
            up = "../" * docname.count("/")
            reference = nodes.reference("", "", refuri=f"{up}_downloads/{node['filename']}", internal=True)
            reference += node.children
            node.replace_self(reference)


def level_captions(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Captions in the navigation are headings, of which Sphinx does not say the level."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def write_notebooks(app: Any, exception: Exception | None) -> None:
    """Beside each page with code its notebook: the same cells, without outputs and without Sphinx' directives."""
    if exception or app.builder.name != "html":
        return
    for docname in sorted(app.env.all_docs):
        if not app.env.metadata[docname].get("notebook"):
            continue
        try:
            write_notebook(app, docname)
        except UnknownDirectiveError as error:
            logger.warning("%s; add it to _extensions/plain_markdown.py", error, location=docname)


def write_notebook(app: Any, docname: str) -> None:
    source = nbformat.read(Path(app.outdir).parent / "jupyter_execute" / f"{docname}.ipynb", as_version=4)
    folder = Path(app.env.doc2path(docname)).parent
    include = includer(folder, app.config)
    cells = [nbformat.v4.new_markdown_cell(NEEDS)]
    for name in app.env.metadata[docname].get(FILES, "").split():
        text = (folder / name).read_text(encoding="utf-8")
        cells.append(nbformat.v4.new_code_cell(f"%%writefile {basename(name)}\n{text}"))
    for cell in source.cells:
        if cell.cell_type == "code" and SITE_ONLY not in cell.metadata.get("tags", ()):
            cells.append(nbformat.v4.new_code_cell(cell.source))
        elif cell.cell_type == "markdown" and (text := plain(cell.source, include).strip()):
            cells.append(nbformat.v4.new_markdown_cell(text))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # drawn at random otherwise, and no two builds would be the same
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(notebook)
    nbformat.write(notebook, Path(app.outdir) / f"{docname}.ipynb")


def includer(folder: Path, config: Any) -> Callable[[str, dict[str, str]], str]:
    """What ``literalinclude`` shows, given its path and its options."""

    def include(path: str, options: dict[str, str]) -> str:
        kept: dict[str, Any] = {key: value for key, value in options.items() if key not in ("language", "caption")}
        if "dedent" in kept:
            kept["dedent"] = int(kept["dedent"]) if kept["dedent"] else None
        text, _ = LiteralIncludeReader(str(folder / path), kept, config).read()
        return re.sub(r"\n*$", "\n", text)

    return include

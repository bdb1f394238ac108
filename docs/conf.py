"""How Sphinx builds the site: ``make docs``."""

from __future__ import annotations

import logging
import os
import sys
from functools import partialmethod
from importlib import import_module
from pathlib import Path

from nbclient.client import NotebookClient

from netparity.system.stderr import quiet

DOCS = Path(__file__).resolve().parent
BUILD = DOCS.parent / "build"
sys.path.insert(0, str(DOCS / "_extensions"))

# What cells and commands in them find. They inherit it from here, so that a page needs no cell for it.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
EXERCISES = str(DOCS.parent / "examples" / "exercises")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (EXERCISES, os.environ.get("PYTHONPATH"))))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow greets, and reports GPUs that are not there
os.environ["COLUMNS"] = "100"  # of tables that commands print
# IPython and Matplotlib keep settings and caches in the user's home, which are to decide nothing here.
os.environ["IPYTHONDIR"] = str(BUILD / "ipython")
os.environ["JUPYTER_RUNTIME_DIR"] = str(BUILD / "jupyter")
os.environ["MPLCONFIGDIR"] = str(BUILD / "matplotlib")
os.environ["GOOGLENET_SITE_FILES"] = str(BUILD / "site")  # for cells whose files a page links to
os.environ["GOOGLENET_RESULTS"] = str(DOCS / "results")  # cells run in a folder of their own
profile = BUILD / "ipython" / "profile_default"
profile.mkdir(parents=True, exist_ok=True)
(profile / "ipython_kernel_config.py").write_text(
    "c.InlineBackend.figure_formats = {'svg'}  # sharp on every screen\n"
    "c.InlineBackend.rc = {'figure.figsize': (5.2, 3.9), 'font.size': 11, 'svg.hashsalt': 'googlenet-parity'}\n"
    "c.HistoryManager.enabled = False\n"
    "c.InteractiveShellApp.exec_lines = ["  # a kernel has commands colour what they print, for whatever reads it
    "\"__import__('os').environ.update(FORCE_COLOR='', CLICOLOR_FORCE='0', TERM='dumb')\"]\n"
    "c.IPKernelApp.log_level = 'ERROR'  # it warns that it listens on this machine's own loopback\n"
    "import os  # greetings of libraries, from below Python, are no output of a cell\n"
    f"os.dup2(os.open({str(BUILD / 'kernels.log')!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)\n",
    encoding="utf-8",
)
logging.getLogger("traitlets").setLevel(logging.WARNING)
with quiet():  # for the API reference
    for package in ("googlenet_mx", "googlenet_tf", "googlenet_torch"):
        import_module(package)

# A command's output comes in pieces, cut anywhere. MyST-NB puts a line break between any two, even within a table's
# row; nbclient can join them before, and MyST-NB has no option that asks it to.
NotebookClient.__init__ = partialmethod(  # type: ignore[assignment, method-assign, unused-ignore]
    NotebookClient.__init__, coalesce_streams=True
)

project = "googlenet-parity"
author = "the googlenet-parity authors"
extensions = ["myst_nb", "sphinx_design", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "pages"]
exclude_patterns = ["decisions", "results", "_*"]
source_suffix = {".md": "myst-nb"}
highlight_language = "text"  # blocks without a language are commands and what they print

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables that cells make
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # by default they are another server's
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "googlenet-parity"
templates_path = ["_templates"]
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
# Both with at least 7 to 1 of contrast; they come with the theme.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

"""README, CONTRIBUTING, decisions and the site's pages: short, links that lead somewhere, commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from netparity.cli.main import app
from parity_tests.support.backends import require
from parity_tests.support.command import LIMIT
from parity_tests.support.places import ROOT

if not (ROOT / "Makefile").exists():
    pytest.skip("needs the source tree: the package is installed without its guides", allow_module_level=True)

GUIDES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
LONGEST = {"README.md": 150, "CONTRIBUTING.md": 80}
"""Lines of a guide that is to be read in one sitting; what is longer is a page of the site."""

FENCED = re.compile(r"^ *(`{3,}).*?^ *\1$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:netparity|googlenet_\w+|parity_tests|docs|tools|benchmarks|examples)/[\w/.]+)`")
ROLE = re.compile(r"\{(doc|ref)\}`(?:[^`<]* <)?([^`>]+)>?`")


def text_of(guide: str) -> str:
    return (ROOT / guide).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The targets in a Markdown file: its headings, as GitHub and MyST turn them into anchors."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(guide: str, reference: str) -> bool:
    place, _, anchor = reference.partition("#")
    target = (ROOT / guide).parent / place if place else ROOT / guide
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("guide", LONGEST)
def test_a_guide_is_short(guide: str) -> None:
    assert len(text_of(guide).splitlines()) <= LONGEST[guide]


@pytest.mark.parametrize("guide", GUIDES)
def test_links_lead_somewhere(guide: str) -> None:
    prose = re.sub(r"`[^`]*`", "", FENCED.sub("", text_of(guide)))
    found = [link for link in LINK.findall(prose) if not re.match(r"https?:", link)]
    assert [link for link in found if not leads_somewhere(guide, link)] == []


def test_roles_lead_somewhere() -> None:
    pages = [guide for guide in GUIDES if guide.startswith("docs/")]
    labels = {label for page in pages for label in re.findall(r"^\(([\w-]+)\)=$", text_of(page), re.MULTILINE)}
    found = [(page, *role) for page in pages for role in ROLE.findall(text_of(page))]
    lost = {
        (page, name)
        for page, role, name in found
        if not (name in labels if role == "ref" else ((ROOT / page).parent / f"{name}.md").exists())
    }
    assert found
    assert lost == set()


@pytest.mark.parametrize("guide", GUIDES)
def test_every_file_that_is_named_exists(guide: str) -> None:
    named = FILE.findall(FENCED.sub("", text_of(guide)))
    assert [name for name in named if "NAME" not in name and "ROOM" not in name and not (ROOT / name).exists()] == []


def command_lines(guide: str) -> Iterator[list[str]]:
    """The words after ``netparity``, of each of its command lines in a guide."""
    blocks = "\n".join(block[0] for block in FENCED.finditer(text_of(guide)))
    inline = [code.replace("\n", " ") for code in re.findall(r"`netparity ([^`]*)`", FENCED.sub("", text_of(guide)))]
    for line in re.findall(r"^(?:\$ |!|.*run: |)netparity +([^\n]*)", blocks, re.MULTILINE) + inline:
        yield shlex.split(re.split(r" 2>| \| |  ", line)[0], comments=True)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_option_exists(guide: str) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for words in command_lines(guide):
        if command := known.get(words[0] if words else "run"):  # else the name of a file's format
            options = {option for parameter in command.params for option in parameter.opts}
            used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert sorted(used - options - {"--help"}) == [], f"netparity {' '.join(words)}"


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = {target for guide in GUIDES for target in re.findall(r"(?:`|^|\$ )make ([a-z-]+)", text_of(guide), re.M)}
    assert named
    assert sorted(named - targets) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(3))
def test_the_readmes_python_runs(tmp_path: Path, number: int) -> None:
    code = re.findall(r"^```python\n(.*?)^```$", text_of("README.md"), re.DOTALL | re.MULTILINE)[number]
    require("tf" if "tf" in code else "torch")
    (tmp_path / "test_readme.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "test_readme.py"]
    if "def test_" in code:
        command = [sys.executable, "-m", "pytest", "--parity-update", "test_readme.py"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=LIMIT)

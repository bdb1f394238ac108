"""What differs: each entry of ``docs/differences`` is a test too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "docs" / "differences"

pytestmark = pytest.mark.skipif(not PAGES.exists(), reason="docs/differences is only in the repository")

LABEL = r"^\((?P<label>[a-z0-9-]+)\)=\n"


def entries() -> list[str]:
    """The labels in front of second-level headings, of all pages but the index."""
    return [
        label
        for page in sorted(PAGES.glob("*.md"))
        if page.name != "index.md"
        for label in re.findall(rf"{LABEL}## ", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def in_tests() -> set[str]:
    """The names of all tests in ``test_differences_*.py``, without ``test_`` and with hyphens."""
    return {
        node.name.removeprefix("test_").replace("_", "-")
        for module in HERE.glob("test_differences_*.py")
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def modules() -> set[str]:
    """Topics that have a page, and topics that have a module of tests."""
    return {module.stem.removeprefix("test_differences_") for module in HERE.glob("test_differences_*.py")}


def test_there_are_twenty_entries_each_of_its_own_name() -> None:
    assert len(entries()) >= 20
    assert len(set(entries())) == len(entries())


def test_each_heading_has_a_label() -> None:
    for page in PAGES.glob("[!i]*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert len(re.findall(r"^## ", text, re.MULTILINE)) == len(re.findall(rf"{LABEL}## ", text, re.MULTILINE)), page


def test_each_entry_has_a_test() -> None:
    assert sorted(set(entries()) - in_tests()) == []


def test_each_page_has_a_module_of_tests() -> None:
    assert modules() == {page.stem for page in PAGES.glob("*.md")} - {"index"}


def test_the_index_lists_each_entry_once() -> None:
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^- \{ref\}`([a-z0-9-]+)`", index, re.MULTILINE)) == sorted(entries())

"""The three ``model.py`` are read side by side: they differ in the words that their glossary names alone.

The glossary in each page's docstring is a dictionary. A row of it is one thing in three frameworks' words; an empty
cell says that a page does without. So each page, with the words of its column replaced by the numbers of their rows,
must be the same text.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

FRAMEWORKS = ("torch", "tf", "mx")
LINES = 150
LAYOUT = "N x H x W x C"
"""Of the page whose shapes are turned before they are compared."""


def page(framework: str, name: str = "model.py") -> str:
    package = find_spec(f"googlenet_{framework}")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name(name).read_text(encoding="utf-8")


def glossary(text: str) -> list[list[str]]:
    """Rows of cells, one for each framework, below the row with the frameworks' names."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    rows = [[cell.strip() for cell in line.split("|")] for line in docstring.splitlines() if line.count("|") == 2]
    return rows[2:]


def code(text: str) -> str:
    """The page behind its docstring and its imports; of the helpers at the end, what they mean, and not how."""
    tree = ast.parse(text)
    lines = text.splitlines()
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef):
            del lines[node.body[1].lineno - 1 : node.end_lineno]
    first = next(number for number, line in enumerate(lines) if line.startswith("Pair = "))
    return "\n".join(lines[first:])


def words(text: str) -> list[str]:
    """Names and numbers. Punctuation is not compared, nor are the ends of lines."""
    return [word.strip(".") for word in re.findall(r"-?[\w.…]+", text)]


def pattern(cell: str) -> str:
    """``relu…=nn.ReLU`` finds ``relu1 nn.ReLU``; an ellipsis that stands alone is any number of words."""
    escaped = re.escape(" ".join(words(cell)))
    return escaped.replace(r"\ …\ ", " .*? ").replace("…", r"\S*")


def translated(framework: str) -> list[str]:
    """The page's words, those of the glossary as ``<row>``, or left out where another page does without."""
    text, column = page(framework), FRAMEWORKS.index(framework)
    rows, text = glossary(text), code(text)
    if any(row[column] == LAYOUT for row in rows):
        text = re.sub(r"# N x (\S+) x (\S+) x (\S+)$", r"# N x \3 x \1 x \2", text, flags=re.MULTILINE)
        text = re.sub(r"\(N, ([^(),]+), ([^(),]+), ([^()]+)\)", r"(N, \3, \1, \2)", text)
    for row in rows:  # an argument of this page alone is described there, too
        if row[column] and not all(row) and (argument := re.match(r"\**(\w+): ", row[column])):
            text = re.sub(rf"^ +{argument[1]}: .*\n", "", text, flags=re.MULTILINE)
    joined = f" {' '.join(words(text))} "
    for number, row in enumerate(rows):
        if row[column] and " x " not in row[column]:
            joined, found = re.subn(f" {pattern(row[column])}(?= )", f" <{number}>" if all(row) else "", joined)
            assert found, f"{row[column]!r} is in the glossary of {framework} and not on its page."
    return joined.split()


def differences(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Words that are in one list alone, each with what stands before it."""
    return list(difflib.unified_diff(one, other, lineterm="", n=4))[2:]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_page_is_short(framework: str) -> None:
    assert len(page(framework).splitlines()) < LINES


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_page_has_the_same_glossary(framework: str) -> None:
    assert len(glossary(page(framework))) > 10
    assert glossary(page(framework)) == glossary(page("torch"))


@pytest.mark.parametrize(("one", "other"), [("torch", "tf"), ("torch", "mx"), ("tf", "mx")])
def test_two_pages_differ_in_what_their_glossary_names(one: str, other: str) -> None:
    found = differences(translated(one), translated(other))
    assert not found, f"{one} and {other} differ: {' '.join(found)}"


def methods(framework: str) -> dict[str, ast.FunctionDef]:
    """Those of ``Training``, in the page's order."""
    page_of_training = ast.parse(page(framework, "training.py"))
    training = next(node for node in page_of_training.body if getattr(node, "name", None) == "Training")
    assert isinstance(training, ast.ClassDef)
    return {node.name: node for node in training.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_training_has_the_same_names_in_the_same_order(framework: str) -> None:
    """TensorFlow's step has a second half, since only what takes tensors can be traced."""
    public = [name for name in methods(framework) if not name.startswith("_") or name == "__init__"]
    second_half = ["tensor_step"] if framework == "tf" else []
    assert public == ["__init__", "train", "step", *second_half, "export_state", "import_state"]


@pytest.mark.parametrize(
    ("framework", "method", "calls"),
    [
        (
            "torch",
            "step",
            ["self.model", "self.loss", "self.optimizer.zero_grad", "loss.backward", "self.optimizer.step"],
        ),
        (
            "tf",
            "tensor_step",
            ["tf.GradientTape", "self.model", "self.loss", "tape.gradient", "self.optimizer.apply_gradients"],
        ),
        ("mx", "step", ["autograd.record", "self.model", "self.loss", "loss.backward", "self.trainer.step"]),
    ],
)
def test_the_step_that_a_student_looks_for_stands_on_the_page(framework: str, method: str, calls: list[str]) -> None:
    made = [node for node in ast.walk(methods(framework)[method]) if isinstance(node, ast.Call)]
    made.sort(key=lambda call: (call.lineno, call.col_offset))
    assert [name for call in made if (name := ast.unparse(call.func)) in calls] == calls

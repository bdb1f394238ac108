"""Pages: well formed, complete by themselves, in words as well as in colours, and of hostile names nothing but text."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import netparity
from googlenet_np import GOOGLENET
from googlenet_np.registered import REGISTERED
from netparity.cli import main as cli
from netparity.compare.comparison import Comparison, Difference, Requirement
from netparity.diagnosis.error_map import CELLS, map_errors
from netparity.network.errors import FileError
from netparity.network.settings import CaseSettings
from netparity.show.html.axes import WIDTH, Axis
from netparity.show.html.charts import draw_layers
from netparity.show.html.comparison import write_comparison
from netparity.show.html.error_map import Scale, draw_bars, draw_heat
from netparity.show.html.heat import LEGEND, HeatTable, Row, brief, heat_cell, heat_level, share_text
from netparity.show.html.network import BOX, draw_network
from netparity.show.html.report import write_report
from netparity.show.html.training import write_training
from netparity.verdict.findings import (
    END_TO_END,
    GRADIENTS,
    LAYERS,
    OUTPUTS,
    TRAINING,
    Check,
    CheckResult,
    Measurement,
    Status,
)
from netparity.verdict.report import BackendReport, ErrorMap, Report
from parity_tests.support.backends import require
from parity_tests.support.command import LIMIT, Command
from parity_tests.support.tiers import representative

pytest.importorskip("jinja2", reason="Jinja2 is not installed")

Array = npt.NDArray[Any]

SMALL = ("--image-size", "17", "23", "--batch-size", "2")
HOSTILE = "<script>alert(1)</script>&\"'"
APART = {"td", "th", "li", "tr", "p", "caption", "summary", "figcaption", "h1", "h2", "h3", "h4", "text", "title"}
"""Elements whose words are no part of those before and behind them."""

ENDLESS = {"meta", "link", "br", "hr", "img", "input"}
MISSING = "error: --html needs Jinja2, which is not installed (pip install 'googlenet-parity[report]').\n"

FAULTS = {
    "pool": "b2.pool: average",
    "block": "b3.inception_3a: branches concatenated in another order",
    "kernel": "b1.conv: gradient of a flipped kernel",
    "logits": "fc: infinity in one entry",
    "wiring": "b4.inception_4b: swapped with b4.inception_4c",
}


class Page(HTMLParser):
    """A page read strictly: every element is closed, in order.

    Attributes:
        elements: Each element's name, attributes and, in order, whatever text is in it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[int] = []
        self.feed(self.source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> at {self.getpos()} has an attribute twice"
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))
        if tag not in ENDLESS:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ENDLESS:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> at {self.getpos()} closes nothing"
        if tag in APART:
            self.handle_data(" ")
        assert self.elements[self._open.pop()][0] == tag, f"</{tag}> at {self.getpos()} closes another element"

    def handle_data(self, data: str) -> None:
        for number in self._open:
            self.elements[number][2].append(data)

    def all(self, tag: str, **attributes: str) -> Iterator[tuple[dict[str, str], str]]:
        """Attributes and text of each element of that name with these attributes."""
        for name, given, text in self.elements:
            if name == tag and all(given.get(key.rstrip("_")) == value for key, value in attributes.items()):
                yield given, " ".join("".join(text).split())

    def text(self, tag: str, **attributes: str) -> str:
        """The text of the first."""
        return next(self.all(tag, **attributes))[1]

    def failure(self, name: str) -> str:
        """What is said of a backend that fails."""
        return next(
            text for _, text in self.all("section", class_="failure") if f" {name}:" in text.partition("Why")[0]
        )


def write_page(path: Path, code: int, *arguments: str) -> None:
    """Runs a command that writes a page and ends with that exit code."""
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["netparity", *arguments, "--html", str(path)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    signal.signal(signal.SIGTERM, handler)
    assert exit_.value.code == code


def named(**targets: str) -> list[str]:
    return [part for name, target in targets.items() for part in ("--backend", f"{name}={target}")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one good backend under a hostile name, a faulty one, two that fail and one that cannot do everything."""
    path = tmp_path_factory.mktemp("pages") / "report.html"
    backends = {
        HOSTILE: "parity_tests.support.numpy_backend:Backend",
        "conv": "parity_tests.proof.faults:b4.inception_4e.p3_1: bias missing",
    }
    backends |= {
        name: f"parity_tests.support.misbehaving:{name}" for name in ("IsKilled", "CannotTrain", "RaisesStrangeWords")
    }
    write_page(path, 2, "run", *SMALL, *named(**backends))
    return path


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A run of backends with faults of many kinds."""
    path = tmp_path_factory.mktemp("pages") / "faulty.html"
    write_page(path, 1, "run", *SMALL, *named(**{name: f"parity_tests.proof.faults:{FAULTS[name]}" for name in FAULTS}))
    return Page(path)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Two backends of which one is wrong in one layer."""
    path = tmp_path_factory.mktemp("pages") / "comparison.html"
    backends = (
        f"{HOSTILE}=parity_tests.support.numpy_backend:Backend",
        "w=parity_tests.support.misbehaving:ShiftsOneLayer",
    )
    write_page(path, 1, "compare", *backends, *SMALL)
    return Page(path)


@pytest.fixture(scope="module")
def lockstep(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A backend under a hostile name, which applies momentum twice."""
    path = tmp_path_factory.mktemp("pages") / "lockstep.html"
    base = ("train", "--lockstep", "--steps", "3", "--batch-size", "2", "--image-size", "9", "11", "--momentum", "0.9")
    write_page(path, 1, *base, f"{HOSTILE}=parity_tests.support.misbehaving:AppliesMomentumTwice")
    return Page(path)


SETTINGS = CaseSettings(0, "w", "i", (2, 1, 5, 7), 3, ("float64",))

TRAINED: dict[str, Any] = {
    "backend": HOSTILE,
    "hyperparameters": {"lr": 0.10000000149011612, "momentum": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0},
    "batch_size": 128,
    "image_size": [96, 96],
    "seed": 0,
    "limit": 60000,
    "init": "xavier_uniform",
    "dtype": "float32",
    "versions": {HOSTILE: "1"},
    "environment": {"processor": "x"},
    "command": "netparity train torch",
}


def epochs(count: int) -> list[dict[str, Any]]:
    return [
        {
            "epoch": place,
            "train_loss": 2.5 / place,
            "train_accuracy": 1 - 0.5 / place,
            "test_accuracy": 1 - 0.6 / place,
            "seconds": 40.0,
            "images_per_second": 1500.0,
        }
        for place in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("pages") / "training.html"
    write_training(path, REGISTERED, TRAINED, epochs(10), ["train", HOSTILE, "--html", "a.html"])
    return Page(path)


@pytest.fixture(params=representative(["page", "compared", "lockstep", "trained"], lambda name: name != "lockstep"))
def either(request: pytest.FixtureRequest) -> Page:
    found: Page = request.getfixturevalue(request.param)
    return found


# Of every page


def test_it_is_complete_by_itself(either: Page) -> None:
    """Nothing is fetched: no reference leads out of the page, and its own policy forbids it besides."""
    assert either.source.startswith("<!doctype html>\n")
    for tag, attributes, _ in either.elements:
        assert tag not in ("script", "img", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "data", "style")]
        reference = attributes.get("href", "#")
        assert reference.startswith("#") or (tag, reference) == ("link", "data:,")
    assert re.findall(r"@import|url\((?!#)", either.source) == []
    policies = [attributes for attributes, _ in either.all("meta") if "http-equiv" in attributes]
    assert [policy["content"] for policy in policies] == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    ]


def test_links_and_labels_lead_somewhere(either: Page) -> None:
    ids = [attributes["id"] for _, attributes, _ in either.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in either.elements:
        wanted = [attributes["href"].removeprefix("#")] if attributes.get("href", "").startswith("#") else []
        wanted += attributes.get("aria-labelledby", "").split()
        wanted += re.findall(r"url\(#(.*)\)", attributes.get("fill", ""))
        assert set(wanted) <= set(ids)


def test_landmarks_and_headings(either: Page) -> None:
    tags = [tag for tag, _, _ in either.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    assert next(attributes for tag, attributes, _ in either.elements if tag == "html")["lang"] == "en"
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pictures_have_words(either: Page) -> None:
    for attributes, _ in either.all("svg"):
        if attributes.get("class") == "symbol":  # its name stands beside it
            continue
        assert attributes["role"] in ("img", "group")
        assert len(attributes["aria-label"]) > 5
    figures = list(either.all("figure"))
    assert len(figures) == len(list(either.all("figcaption")))
    assert figures


def test_tables_have_headers_and_can_be_scrolled(either: Page) -> None:
    assert {attributes.get("scope") for attributes, _ in either.all("th")} <= {"row", "col", "colgroup"}
    assert len(list(either.all("table"))) == len(list(either.all("caption")))
    scrolled = [given for _, given, _ in either.elements if "scroll" in given.get("class", "").split()]
    assert len(scrolled) >= len(list(either.all("table")))
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in scrolled)


def test_a_hostile_name_is_text(either: Page) -> None:
    assert "<script" not in either.source
    assert "alert(1)" in either.source
    assert any(HOSTILE in text for _, text in either.all("th"))


def luminance(colour: str) -> float:
    """Of #rrggbb, as WCAG 2 has it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page: Page, scheme: str) -> None:
    """Words at least 4.5 to 1 on whatever is behind them, marks at least 3 to 1 (WCAG 2.2, AA)."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
    )
    assert light.keys() == dark.keys()
    of = {"light": light, "dark": dark}[scheme]
    words = [(f"t{level}", f"h{level}") for level in range(8)]
    words += [("text", "page"), ("muted", "page"), ("muted", "soft"), ("text", "soft"), ("link", "page")]
    words += [("on-good", "good"), ("on-bad", "bad"), ("on-odd", "odd"), ("page", "text"), ("t2", "h2")]
    assert [pair for pair in words if contrast(of[pair[0]], of[pair[1]]) < 4.5] == []
    marks = [(f"s{series}", "page") for series in range(6)] + [("bad", "page"), ("muted", "page")]
    assert [pair for pair in marks if contrast(of[pair[0]], of[pair[1]]) < 3] == []
    shades = [luminance(of[f"m{shade}"]) for shade in range(1, 8)]
    assert shades == sorted(shades, reverse=scheme == "light"), "in grey, the shades keep their order"


# A run


def test_the_verdict_comes_first(page: Page) -> None:
    verdict = "error 2 of 5 judged backends pass."
    assert page.text("title").startswith("error: 2 of 5 judged backends pass.")
    assert page.text("h1") == verdict
    assert page.text("body").startswith(verdict)


def test_every_layer_is_drawn_and_leads_to_its_row(page: Page) -> None:
    links = [given for given, _ in page.all("a") if given["href"].startswith("#layer-")]
    assert sorted(given["href"] for given in links) == sorted(f"#layer-{name}" for name in GOOGLENET.names)
    conv = next(given["aria-label"] for given in links if given["href"] == "#layer-b4.inception_4e.p3_1")
    assert re.match(rf"b4.inception_4e.p3_1; conv 1×1, 32×2×2; {re.escape(HOSTILE)}: 0\.\d{{3}}; conv: ✕ \S+;", conv)
    rows = [given["id"] for given, _ in page.all("tr") if "id" in given]
    assert rows == [f"layer-{name}" for name in GOOGLENET.names]


def test_what_is_beyond_its_bound_is_said_in_words(page: Page) -> None:
    beyond = [text for given, text in page.all("td") if given.get("class") in ("h-6", "h-7")]
    assert beyond
    assert all(text.startswith("beyond the bound: ✕ ") for text in beyond)


def test_errors_by_layer_are_charts_with_the_bound(page: Page) -> None:
    charts = list(page.all("figure", class_="chart"))
    assert [text.partition(" –")[0] for _, text in charts] == [
        "Each layer alone, float32",
        "All layers up to it, float32",
        "Each layer's gradients alone, float32",
        "All layers up to it, float64",
    ]
    assert all("the bound" in text for _, text in charts)
    assert page.source.count('<path class="bound"') >= 4
    assert "conv, b4.inception_4e.p3_1: ✕" in charts[0][1]


def test_a_failing_layer_is_explained(page: Page) -> None:
    said = page.failure("conv")
    assert "conv: b4.inception_4e.p3_1" in said
    assert "Why: b4.inception_4e.p3_1: explained by bias missing" in said
    assert re.search(r"worst entry \(\d, \d+, \d, \d\)", said)
    assert re.search(r"share of what is allowed ✕ \d", said)
    assert re.search(r"entries that are beyond \d+\.\d\d%", said)
    assert re.search(
        r"The error over height × width, .* – \d of 4 places are beyond the bound; the worst, \S+ of", said
    )
    assert re.search(r"The error by channel, .* – \d+ of 32 channels are beyond the bound", said)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pool", r"pool: b2\.pool .* of 9 places are wrong; the worst, \S+ off, .* of 192 channels are wrong"),
        ("block", r"block: b3\.inception_3a Why: .* channels are wrong"),
        ("kernel", r"kernel: b1\.conv .* of 49 places are beyond .* kernel height .* of 64 channels"),
        ("logits", r"logits: fc .* 1 of 10 channels are beyond the bound; the worst, no number at all, is channel"),
        ("wiring", r"wiring: b4\.inception_4b\.p1_1 .* in the check outputs float64 .* places are beyond the bound"),
    ],
)
def test_errors_of_every_kind_are_drawn(faulty: Page, name: str, words: str) -> None:
    assert re.search(words, faulty.failure(name))


def test_a_backend_that_died_is_told_of(page: Page) -> None:
    said = next(text for _, text in page.all("section", class_="failure") if text.startswith("error IsKilled"))
    assert "IsKilled was killed by SIGKILL, as when memory runs out; its last words" in said
    assert "worst entry" not in said


def test_skips_and_their_reasons_are_there(page: Page) -> None:
    assert any("skipped" in text and "an inference engine has no gradients" in text for _, text in page.all("tr"))


def test_environment_and_how_to_reproduce_it(page: Page, written: Path) -> None:
    main = page.text("main")
    for words in ("processor", "numpy", "platform", np.__version__, "The command's exit code was 2."):
        assert words in main
    line = page.text("pre", **{"aria-label": "The command"})
    assert line.startswith("netparity run --image-size 17 23 --batch-size 2 --backend ")
    assert line.endswith(f"--html {written}")


@pytest.mark.parametrize("place", ["shown", "collapsed"])
def test_every_check_is_in_a_table(page: Page, place: str) -> None:
    rows = {text for _, text in page.all("th", scope="row")}
    assert {"layers float32", "gradients float64", "weights float32"} <= rows
    summaries = [text for _, text in page.all("summary")]
    assert "81 layers, 20 columns" in summaries
    assert "fail conv: 10 checks" in summaries


@pytest.mark.exhaustive
def test_the_mistake_of_a_real_backend_is_named(command: Command, tmp_path: Path) -> None:
    require("tf")
    options = ("--image-size", 16, 24, "--batch-size", 2, "--dtype", "float32", "--html", tmp_path / "a.html")
    assert command("run", "--backend", "same=googlenet_tf.backend:SamePadding", *options).code == 1
    said = Page(tmp_path / "a.html").failure("same")
    assert "asymmetric padding as in 'same'" in said


def test_the_default_run_is_small(tmp_path: Path) -> None:
    """Three backends, each layer in each check with a number of its own, and two of them with the largest of maps."""
    checks = tuple(
        CheckResult.of(check, (Measurement(n, Status.PASS, 0.123 + 1e-3 * k) for k, n in enumerate(GOOGLENET.names)))
        for check in (LAYERS, END_TO_END, OUTPUTS, GRADIENTS)
    )
    wrong = CheckResult(LAYERS, Status.FAIL, "b1.conv", (Measurement("b1.conv", Status.FAIL, 9.0),))
    places = tuple(tuple(2.0 + (5 * y + 3 * x) % 7 * 10.0**y for x in range(CELLS)) for y in range(CELLS))
    found = ErrorMap("b1.conv", True, (CELLS, CELLS), places, tuple(range(1024)))
    backends = [BackendReport("a", {}, checks)]
    backends += [BackendReport(name, {}, (wrong, *checks[1:]), error_map=found) for name in "bc"]
    settings = CaseSettings(0, "w", "i", (16, 1, 96, 96), 10, ("float64", "float32"))
    write_report(tmp_path / "a.html", Report(GOOGLENET, tuple(backends), settings), ["run"])
    assert (tmp_path / "a.html").stat().st_size < 2_000_000
    Page(tmp_path / "a.html")


def test_the_same_report_gives_the_same_file_and_names_may_repeat(tmp_path: Path) -> None:
    check = CheckResult.of(LAYERS, [Measurement("fc", Status.PASS, 0.5)])
    backends = (BackendReport("a", {}, (check,)), BackendReport("a", {}, (check,)))
    settings = replace(SETTINGS, seed=None, weights="\udcff.safetensors")
    for name in "12":
        write_report(tmp_path / name, Report(GOOGLENET, backends, settings), ["run"])
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert {"a", "a (2)"} <= {text for _, text in Page(tmp_path / "1").all("th", scope="col")}


def test_a_run_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    write_report(tmp_path / "a.html", Report(GOOGLENET, (), SETTINGS), ["run"])
    assert Page(tmp_path / "a.html").text("h1").startswith("error no backend is installed: pip install")


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(AttributeError):
        write_report(path, Report(GOOGLENET, (object(),), SETTINGS), [])  # type: ignore[arg-type]
    with pytest.raises(FileError, match="Cannot write"):
        write_report(tmp_path, Report(GOOGLENET, (), SETTINGS), [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]
    assert path.read_text(encoding="utf-8") == "precious"


# A comparison


def test_a_comparison_says_what_differs(compared: Page) -> None:
    assert compared.text("title").startswith("fail: rounding does not explain what differs.")
    assert compared.text("h1") == "fail rounding does not explain what differs."
    said = compared.text("main")
    assert re.search(r"First to differ: \S+ differs by", said)
    assert re.search(r"First beyond rounding: \S+ differs by .* of what rounding allows", said)
    assert "the bound" in said
    rows = [text for _, text in compared.all("tr")]
    assert len([row for row in rows if row.startswith(GOOGLENET.names)]) >= len(GOOGLENET)
    assert any(re.match(r"\S+ beyond the bound: ✕ \S+ \S+e[+-]\d\d \S+ \S+ %", row) for row in rows)
    assert any(row.startswith("gradients/fc.weight") for row in rows)
    assert f"backend {HOSTILE} w" in rows
    assert compared.text("pre").startswith("netparity compare ")


def test_a_comparison_of_changed_predictions_and_missing_tensors(tmp_path: Path) -> None:
    differences = (
        Difference("activations/fc", identical=False, share=math.inf, index=(0,), message="holds nan", error=math.inf),
        Difference("logits", identical=False, share=None, message="is missing in the first"),
        Difference("loss", identical=True),
    )
    found = Comparison("A", "B", Requirement.BITWISE, differences, changed=((3, 7, 2),))
    write_comparison(tmp_path / "a.html", found, ["compare", "a b", "c"])
    page = Page(tmp_path / "a.html")
    rows = [text for _, text in page.all("tr")]
    assert "3 7 2" in rows
    assert "fc beyond the bound: ✕ ∞ ∞ 0 0 %" in rows
    assert "logits not judged is missing in the first – –" in rows
    assert "loss 0 0 0 0 %" in rows
    assert "Versions, processor, threads and switches are the same." in page.text("main")
    assert page.text("pre") == "netparity compare 'a b' c"


# A matrix


@pytest.mark.exhaustive
def test_a_matrix_has_every_layer_in_order_though_the_first_row_lacks_some(
    run_matrix: Callable[..., tuple[int, str, dict[str, Any]]], tmp_path: Path
) -> None:
    content = """
    entries = [
        { name = "some", requirements = ["numpy==1"], backend = "parity_tests.support.misbehaving:CannotCallSome" },
        { name = "all", requirements = ["numpy==2"], backend = "parity_tests.support.numpy_backend:Backend" },
    ]
    """
    run_matrix(content, "--html", tmp_path / "matrix.html")
    page = Page(tmp_path / "matrix.html")
    notes = [given["title"] for given, _ in page.all("td") if given.get("title", "").startswith("all: ")]
    assert notes == [f"all: {name}" for name in GOOGLENET.names]


# A training


def test_a_training_says_what_it_came_to(trained: Page) -> None:
    assert trained.text("h1") == (
        f"done {HOSTILE}: loss 0.2500, accuracy 0.9500 in training and 0.9400 in the test, after 10 epochs in "
        "6 min 40 s."
    )
    charts = [text.partition(" –")[0] for _, text in trained.all("figure", class_="chart")]
    assert charts == ["Loss", "Accuracy"]
    assert trained.source.count('<path class="mark') == 30
    summary = next(given["aria-label"] for given, _ in trained.all("svg", role="img"))
    assert summary.startswith("Loss: training from 2.5 to 0.25.")
    rows = [text for _, text in trained.all("tr")]
    assert "2 1.2500 0.7500 0.7000 40.0 s 1500.0" in rows
    assert "dtype float32" in rows
    assert "hyperparameters lr 0.1, momentum 0, weight_decay 0, label_smoothing 0" in rows
    assert trained.text("pre").startswith("netparity train '<script>")


def test_the_published_result_stands_beside_its_own_settings_alone(trained: Page, tmp_path: Path) -> None:
    assert len([given for given, _ in trained.all("rect") if given["class"].startswith("band") and "x" in given]) == 3
    assert "10, published, PyTorch 0.25–0.26 0.9–0.905 0.886–0.887 – –" in [text for _, text in trained.all("tr")]
    assert "after 10 epochs; this training came to 0.940." in trained.text("main")
    others: list[dict[str, Any]] = [{"batch_size": 64}, {"limit": 100}, {"data": ["0", "1"]}, {"precision": "bfloat16"}]
    others += [{"hyperparameters": {"lr": 0.1, "momentum": 0.9}}]
    for other in others:
        write_training(tmp_path / "a.html", REGISTERED, TRAINED | other, epochs(2), ["train"])
        page = Page(tmp_path / "a.html")
        assert "no published result is known" in page.text("main")
        assert "10, published" not in page.text("main")
    write_training(tmp_path / "a.html", REGISTERED, TRAINED, epochs(2), ["train"])
    assert "this training has 2, so its numbers are not to be set against that yet" in Page(tmp_path / "a.html").source


def test_a_training_of_no_whole_epoch_and_one_of_many(tmp_path: Path) -> None:
    remark = "Of epoch 1, 2 of 4 steps."
    write_training(tmp_path / "a.html", REGISTERED, TRAINED, [], ["train"], status="interrupted", remark=remark)
    page = Page(tmp_path / "a.html")
    assert page.text("h1") == f"interrupted {HOSTILE}: no epoch is whole yet."
    assert remark in page.text("header")
    write_training(tmp_path / "b.html", REGISTERED, TRAINED, epochs(500), ["train"])
    assert (tmp_path / "b.html").stat().st_size < 500_000
    Page(tmp_path / "b.html")


@pytest.mark.exhaustive
def test_a_lockstep_shows_each_step_and_names_the_mistake(lockstep: Page) -> None:
    assert lockstep.text("h1") == "fail 0 of 1 judged backends pass."
    assert "netparity train --lockstep" in lockstep.text("title")
    assert "momentum applied twice" in lockstep.text("section", class_="failure")
    titles = [text.partition(" –")[0] for _, text in lockstep.all("figure", class_="chart")]
    assert titles[0] == "Loss before each step"
    assert "the gate" in lockstep.text("main")
    rows = [text for _, text in lockstep.all("tr")]
    assert any(re.match(r"1 2\.\d{6} \S+e-12 [+-]\S+", row) for row in rows)
    assert any(re.match(r"3 \d\.\d{6} \S+e-12 beyond the bound: [+-]\S+", row) for row in rows)
    assert any(re.match(r"fc\.weight momentum beyond the bound: ✕", row) for row in rows)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_losses_that_are_no_numbers_are_drawn_as_far_as_they_can(tmp_path: Path, number: float) -> None:
    backend = BackendReport("a", {}, (), losses=(2.0, number))
    report = Report(
        GOOGLENET, (backend,), replace(SETTINGS, dtypes=("float32",)), losses=(2.0, 1.5), loss_floor=(1e-6, 1e-5)
    )
    write_report(tmp_path / "a.html", report, ["train", "--lockstep"])
    page = Page(tmp_path / "a.html")
    assert "nan" not in " ".join(given.get("d", "") for given, _ in page.all("path"))
    assert "shown, not judged" in page.text("main")


def test_a_weight_that_a_training_leaves_elsewhere_is_no_fault_of_its_layer(tmp_path: Path) -> None:
    failure = Measurement("b2.conv1.weight", Status.FAIL, 7.0, 7e-3, 1e-3, (0, 0, 0, 0), 1.0, 2.0, 0.5)
    headings: dict[Check, str] = {TRAINING: "fail a", GRADIENTS: "fail a: b2.conv1"}
    for check, heading in headings.items():
        backend = BackendReport("a", {}, (CheckResult.of(check, [failure]),))
        write_report(tmp_path / "a.html", Report(GOOGLENET, (backend,), SETTINGS), ["train", "--lockstep"])
        page = Page(tmp_path / "a.html")
        assert page.text("section", class_="failure").startswith(heading + " ")
        assert "b2.conv1.weight uses 7 of what is allowed" in page.text("main")


# Without Jinja2


@pytest.mark.parametrize(
    "arguments",
    [("run", *SMALL, "--backend", "a=b:C"), ("compare", "a=b:C", "d=e:F"), ("train", "a=b:C"), ("train", "--lockstep")],
    ids=["run", "compare", "train", "lockstep"],
)
def test_without_jinja2_it_is_said_before_the_work(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = command(*arguments, "--html", tmp_path / "a.html")
    assert (result.code, result.out, result.err) == (2, "", MISSING)
    assert list(tmp_path.iterdir()) == []


def test_nobody_pays_for_pages_that_are_not_written() -> None:
    code = (
        "import sys, netparity.cli.main, netparity.show.html.report, netparity.show.html.training;"
        "print(sorted({'jinja2', 'markupsafe', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=LIMIT) == "[]\n"


def test_the_templates_are_in_the_package() -> None:
    folder = Path(netparity.__file__).parent / "show" / "html" / "templates"
    names = {"base.html.j2", "parts.html.j2", "report.html.j2", "comparison.html.j2", "training.html.j2", "page.css"}
    assert names <= {path.name for path in folder.iterdir()}


# Colours and numbers


@pytest.mark.parametrize(
    ("share", "level", "text", "short"),
    [
        (None, "none", "–", "–"),
        (0.0, "0", "0", "0"),
        (2.345678e-5, "1", "2.35e-05", ".00"),
        (0.004, "1", "0.004", ".00"),
        (0.01, "1", "0.010", ".01"),
        (0.011, "2", "0.011", ".01"),
        (0.1, "3", "0.100", ".10"),
        (0.3, "4", "0.300", ".30"),
        (0.999, "5", "0.999", "1"),
        (1.0, "5", "1.000", "1"),
        (1.5, "6", "✕ 1.500", "✕1"),
        (12.0, "7", "✕ 12", "✕12"),
        (9.22e5, "7", "✕ 9.22e+05", "✕e5"),
        (math.inf, "7", "✕ ∞", "✕∞"),
    ],
)
def test_a_share_as_colour_and_as_words(share: float | None, level: str, text: str, short: str) -> None:
    assert (heat_level(share), share_text(share), brief(share)) == (level, text, short)
    assert level in {swatch.level for swatch in LEGEND}


def test_a_table_that_does_not_fit_itself_is_refused() -> None:
    rows = (Row("a", [heat_cell(0.5), heat_cell(None)]),)
    HeatTable("caption", "corner", ("x", "y"), rows, (("both", 2),))
    with pytest.raises(ValueError, match="has 3 columns"):
        HeatTable("caption", "corner", ("x", "y", "z"), rows)
    with pytest.raises(ValueError, match="has 2 columns"):
        HeatTable("caption", "corner", ("x", "y"), rows, (("both", 3),))


def test_the_axis_is_logarithmic_and_keeps_its_ends() -> None:
    axis = Axis([0.0, 1e-3, 0.5, math.inf], 10, 200)
    places = [axis.place(number) for number in (0.0, 1e-3, 1e-2, 1e-1, 1.0, math.inf)]
    assert places == sorted(places, reverse=True)
    steps = np.diff(places[1:5])
    np.testing.assert_allclose(steps, steps[0], atol=0.11)
    assert (places[0], places[-1]) == (200, 10)
    assert [tick.text for tick in axis.ticks] == ["10⁻³", "0.01", "0.1", "1", "10", "0", "∞"]
    assert len(Axis([1e-12, 1e30], 10, 200).ticks) <= 8


def test_a_chart_of_layers_has_a_point_for_each_that_was_measured() -> None:
    chart = draw_layers("title", {"a": {"b1.conv": 0.5, "fc": 2.0}, "b": {}}, GOOGLENET.names)
    assert [(mark.series, mark.note) for mark in chart.marks] == [(0, "a, b1.conv: 0.500"), (0, "a, fc: ✕ 2.000")]
    assert chart.summary == "a at most ✕ 2.000, in fc"
    assert [name for name, _ in chart.legend] == ["a", "b"]
    many = draw_layers("title", {str(number): {"fc": 0.5} for number in range(36)}, GOOGLENET.names)
    assert len({(mark.path, mark.series % 6) for mark in many.marks}) == 36, "of one colour, each has its own mark"
    groups = [group.text for group in chart.below]
    assert groups == ["stem", "3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b", "fc"]


@pytest.mark.parametrize("backends", [0, 1, 3, 9])
def test_the_network_is_drawn_once_and_within_its_paper(backends: int) -> None:
    shares = {f"backend {number}": {"b1.conv": 2.0, "fc": 0.5} for number in range(backends)}
    pieces = draw_network(GOOGLENET, shares, GOOGLENET.output_shapes())
    assert [piece.title for piece in pieces][:3] == ["b1, b2: stem", "b3: inception 3a", "b3: inception 3b"]
    boxes = [box for piece in pieces for box in piece.boxes]
    assert sorted(box.name for box in boxes) == sorted(GOOGLENET.names)
    assert [box.name for box in boxes if box.beyond] == (["b1.conv"] if backends else [])
    for piece in pieces:
        for number, box in enumerate(piece.boxes):
            assert 0 <= box.x <= box.x + box.width <= WIDTH
            assert box.y + BOX <= piece.height
            assert box.tip_x >= 0
            assert box.tip_y + box.tip_height < box.y, "a tip is above its box, where nothing covers it"
            assert len(box.stripes) == backends
            for other in piece.boxes[number + 1 :]:
                apart = other.x >= box.x + box.width or other.x + other.width <= box.x or other.y >= box.y + BOX
                assert apart, (box.name, other.name)
                assert other.y >= box.y, "what is drawn later is no higher"


# Where the error is


def test_an_error_map_finds_places_and_channels() -> None:
    desired = np.zeros((2, 3, 4, 5))
    actual = desired.copy()
    actual[1, 2, 3, 1] = -6
    actual[0, 0, 0, 4] = 1
    found = map_errors("a", actual, desired, np.full(desired.shape, 2.0), "float32")
    assert found is not None
    assert (found.size, found.bounded, found.channels) == ((4, 5), True, (0.5, 0.0, 3.0))
    assert found.pixels == ((0, 0, 0, 0, 0.5), (0,) * 5, (0,) * 5, (0, 3.0, 0, 0, 0))


def test_an_error_map_of_a_kernel_goes_by_output_channels() -> None:
    actual = np.zeros((2, 3, 4, 5))
    actual[1, 0, 2, 3] = 4
    found = map_errors("a.weight", actual, np.zeros(actual.shape), 1.0, "float32", channel_axis=0)
    assert found is not None
    assert found.channels == (0, 4)
    assert found.pixels[2][3] == 4


def test_an_error_map_where_nothing_is_allowed_has_absolute_errors() -> None:
    actual = np.array([[1e-40, 0.25, np.nan]], np.float32)
    found = map_errors("a", actual, np.zeros((1, 3)), None, "float32")
    assert found is not None
    assert (found.bounded, found.size, found.pixels) == (False, None, ())
    assert found.channels == (0.0, 0.25, math.inf), (
        "subnormal numbers are flushed; what is no number is as wrong as can be"
    )
    assert draw_heat(found) is None
    assert "2 of 3 channels are wrong; the worst, no number at all, is channel 2" in draw_bars(found).summary


def test_an_error_map_of_large_tensors_is_small_and_keeps_the_worst() -> None:
    actual = np.zeros((1, 2, 3 * CELLS, CELLS + 5))
    actual[0, 1, -1, -1] = 7
    found = map_errors("a", actual, np.zeros(actual.shape), 1.0, "float32")
    assert found is not None
    assert found.size == (3 * CELLS, CELLS + 5)
    assert len(found.pixels) == CELLS
    assert len(found.pixels[0]) == math.ceil((CELLS + 5) / 3)
    assert found.pixels[-1][-1] == 7
    heat = draw_heat(found)
    assert heat is not None
    assert "1 of 3264 squares of 3×3 places are beyond the bound; the worst, 7 of what" in heat.summary


def test_an_error_map_needs_tensors_of_one_shape() -> None:
    assert map_errors("a", np.zeros((2, 3)), np.zeros((3, 2)), 1.0, "float32") is None
    assert map_errors("a", np.zeros(()), np.zeros(()), 1.0, "float32") is None


def test_a_heat_map_covers_every_cell_once() -> None:
    places = ((0.5, 1.0, 1.5), (8.0, math.inf, 128.0))
    heat = draw_heat(ErrorMap("a", True, (2, 3), places, (1.0,)))
    assert heat is not None
    assert [shade.level for shade in heat.shades] == list(range(8))
    assert heat.shades[0].path == "M0 0h2v1h-2z"
    assert heat.shades[0].text == "within the bound"
    assert heat.shades[7].path == "M1 1h2v1h-2z"
    lengths = [int(n) for shade in heat.shades for n in re.findall(r"h(\d+)", shade.path)]
    assert sum(lengths) == 6
    assert "4 of 6 places" in heat.summary
    assert "no number at all, is at row 1, column 1" in heat.summary


@pytest.mark.parametrize("numbers", [(0.0,), (math.inf,), (5.0,), (1e-300, 1e300), (0.0, 2.0, math.inf)])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_scale_of_any_numbers_has_a_shade_for_each(numbers: tuple[float, ...], bounded: bool) -> None:
    scale = Scale(ErrorMap("a", bounded, (1, len(numbers)), (numbers,), numbers))
    shades = [scale.shade(number) for number in numbers]
    assert all((shade == 0) == scale.right(number) for shade, number in zip(shades, numbers, strict=True))
    assert max(shades) <= 7
    assert shades == sorted(shades)

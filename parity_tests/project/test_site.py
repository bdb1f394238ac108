"""The site that ``make docs`` built, in a real browser: its pages, its links, its notebooks.

``make test-docs`` names its folder in ``GOOGLENET_SITE``, and then whatever these tests need must be there: it cannot
pass by skipping. Without that variable they are left out, whatever an earlier build left behind: a page's tests belong
to the page's own build.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

VARIABLE = "GOOGLENET_SITE"
if not os.environ.get(VARIABLE):
    pytest.skip("the tests of the site run in make test-docs", allow_module_level=True)

TREE = Path(__file__).resolve().parents[2]
SITE = Path(os.environ[VARIABLE]).resolve()
AXE = TREE / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"

NEEDED = {
    f"the built site, {SITE} (make docs)": (SITE / "index.html").exists(),
    f"Chromium, {CHROMIUM}": Path(CHROMIUM).exists(),
    "axe-core (make test-docs installs it)": AXE.exists(),
    "Playwright (the extra docs)": find_spec("playwright") is not None,
    "nbclient (the extra docs)": find_spec("nbclient") is not None,
}
if missing := [name for name, is_there in NEEDED.items() if not is_there]:
    pytest.fail(f"{VARIABLE} names a site, and its tests need {'; '.join(missing)}.", pytrace=False)

import nbformat  # noqa: E402 – only where the tests run
from nbclient import NotebookClient  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PHONE, DESKTOP = (380, 800), (1280, 900)
FILES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts)
PAGES = [name for name in FILES if not name.startswith("_downloads/")]
"""All but kept reports of earlier runs; of those, the links alone are tested."""

NOTEBOOKS = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.ipynb"))
TABBED = [name for name in PAGES if 'class="sd-tab-set' in (SITE / name).read_text(encoding="utf-8")]
FRAMEWORKS = {"torch": "PyTorch", "tf": "TensorFlow", "mx": "MXNet"}
NOISE = ("absl::", "oneDNN custom operations", "cuda drivers", "Traceback (most recent call last)", "Warning: ")


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the site is served, on this machine's own loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(SITE)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """A visitor with one screen and one colour scheme, who notes what goes wrong on the way.

    Attributes:
        complaints: Errors of the console, requests to elsewhere, and answers that are none.
    """

    def __init__(self, browser: Browser, address: str, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        self.address = address
        self.complaints: list[str] = []
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            service_workers="block",
            bypass_csp=True,  # reports forbid scripts, and axe-core is one
        )
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        self.page.on("request", lambda request: self._note(self._leaves(request.url), f"leaves: {request.url}"))
        self.page.on(
            "response", lambda answer: self._note(answer.status >= 400, f"answered {answer.status}: {answer.url}")
        )

    def _note(self, wrong: bool, words: str) -> None:
        if wrong:
            self.complaints.append(words)

    def _leaves(self, url: str) -> bool:
        return not url.startswith((f"{self.address}/", "data:", "blob:"))

    def go(self, name: str) -> Page:
        self.page.goto(f"{self.address}/{name}", wait_until="networkidle")
        # Twice a frame: what watches sizes has seen them by then.
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.page

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address)
    yield visit
    visit.close()


# In the browser


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_complete_by_itself(visit: Visit, name: str) -> None:
    page = visit.go(name)
    page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    page.evaluate("() => Promise.all([...document.images].map(image => image.decode().catch(() => null)))")
    broken = page.evaluate("() => [...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
    assert broken == []
    assert visit.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser: Browser, address: str, name: str) -> None:
    visit = Visit(browser, address, PHONE)
    page = visit.go(name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE[0]
    page.evaluate("() => window.scrollTo(500, 0)")
    assert page.evaluate("() => window.scrollX") == 0
    visit.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(browser: Browser, address: str, name: str, scheme: str, size: tuple[int, int]) -> None:
    visit = Visit(browser, address, size, scheme)
    page = visit.go(name)
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    faults = [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    assert found["passes"]
    assert faults == []
    visit.close()


def shown(page: Page) -> list[str]:
    """Of each tab set that follows the framework, the label of the tab that is open."""
    script = """() => [...document.querySelectorAll(".sd-tab-label[data-sync-group=framework]")]
        .filter(label => document.getElementById(label.htmlFor).checked
            && getComputedStyle(label.nextElementSibling).display !== "none").map(label => label.innerText)"""
    found: list[str] = page.evaluate(script)
    return found


@pytest.mark.parametrize("framework", FRAMEWORKS.values())
@pytest.mark.parametrize("name", TABBED)
def test_tabs_switch_together_and_stay_chosen(visit: Visit, name: str, framework: str) -> None:
    page = visit.go(name)
    sets = page.locator(".sd-tab-set").count()
    assert shown(page) == ["PyTorch"] * sets
    page.locator(".sd-tab-set").last.locator("label", has_text=framework).click()
    assert shown(page) == [framework] * sets
    visit.go("index.html")
    for other in TABBED:
        assert set(shown(visit.go(other))) == {framework}, other
    assert visit.complaints == []


def test_tabs_are_chosen_by_keyboard(visit: Visit) -> None:
    page = visit.go("definitions.html")
    page.locator(".sd-tab-set input").first.focus()
    page.keyboard.press("ArrowRight")
    assert set(shown(page)) == {"TensorFlow"}


def test_the_search_finds_a_page(visit: Visit) -> None:
    page = visit.go("search.html?q=golden")
    page.wait_for_selector("#search-results li a")
    assert any(
        "regression.html" in (link.get_attribute("href") or "") for link in page.locator("#search-results a").all()
    )
    assert visit.complaints == []


# In the files


class Links(HTMLParser):
    """The targets in a page, and where it leads."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.targets: set[str] = {""}
        self.references: list[str] = []
        self.feed((SITE / name).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("id", "name") and value:
                self.targets.add(value)
            if key in ("href", "src") and value:
                self.references.append(value)


@pytest.fixture(scope="session")
def links() -> dict[str, Links]:
    return {name: Links(name) for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_links_inside_the_site_resolve(links: dict[str, Links], name: str) -> None:
    broken = []
    for reference in links[name].references:
        parts = urlsplit(reference)
        if parts.scheme or parts.netloc:
            continue
        path = (SITE / name).parent / unquote(parts.path) if parts.path else SITE / name
        target = os.path.relpath(path, SITE)
        if not path.is_file() or (target in links and unquote(parts.fragment) not in links[target].targets):
            broken.append(reference)
    assert broken == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_nothing_that_libraries_say(name: str) -> None:
    text = (SITE / name).read_text(encoding="utf-8")
    assert [noise for noise in NOISE if noise in text] == []


@pytest.mark.parametrize(
    "package", ["netparity", "netparity.testing", "googlenet_np", "googlenet_torch", "googlenet_tf", "googlenet_mx"]
)
def test_the_reference_has_every_public_name(links: dict[str, Links], package: str) -> None:
    names = {f"{package}.{name}" for name in import_module(package).__all__}
    assert sorted(names - links["api.html"].targets) == []


# Notebooks


def test_each_page_with_code_is_a_notebook(links: dict[str, Links]) -> None:
    with_code = [name for name in PAGES if 'class="cell_input' in (SITE / name).read_text(encoding="utf-8")]
    assert [f"{Path(name).with_suffix('')}.ipynb" for name in sorted(with_code)] == NOTEBOOKS
    assert NOTEBOOKS
    for name in with_code:
        assert f"{Path(name).stem}.ipynb" in links[name].references


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(SITE / name, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert [sign for sign in (":::", "```{", "{doc}", "{ref}", "(../") if sign in words] == []
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

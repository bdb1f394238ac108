"""Fashion-MNIST: found where it should be, downloaded whole or not at all, and refused where it is something else."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet_np import fashion_mnist as module
from googlenet_np.fashion_mnist import CLASSES, FashionMNIST, find_fashion_mnist, load_fashion_mnist
from googlenet_np.images import SAMPLE_LABELS_FILE, sample_images
from netparity.network.errors import DataError, FileError, ImagesError, NetparityError, OptionError
from parity_tests.support.command import LIMIT
from parity_tests.support.idx_files import FILES, idx, write_files

NAMES = tuple(FILES)
"""Images and labels to train on, images and labels to test with."""


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, an empty cache folder, no package of Debian's, no network: what a test wants, it puts there."""
    monkeypatch.delenv("GOOGLENET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/")


@pytest.fixture
def cache() -> Path:
    return module._cache_folder()


class TestFind:
    def test_folder_that_is_named_goes_first(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in (tmp_path / "mine", tmp_path / "variable", cache, tmp_path / "debian"):
            write_files(folder)
        monkeypatch.setenv("GOOGLENET_DATA", str(tmp_path / "variable"))
        assert find_fashion_mnist(tmp_path / "mine") == tmp_path / "mine"
        assert find_fashion_mnist() == tmp_path / "variable"
        monkeypatch.setenv("GOOGLENET_DATA", "")
        assert find_fashion_mnist() == cache
        (cache / NAMES[1]).unlink()
        assert find_fashion_mnist(download=False) == tmp_path / "debian"

    def test_cache_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        assert module._cache_folder() == tmp_path / "cache" / "googlenet-parity" / "fashion-mnist"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert module._cache_folder() == tmp_path / "home" / ".cache" / "googlenet-parity" / "fashion-mnist"
        monkeypatch.setattr(sys, "platform", "darwin")
        caches = tmp_path / "home" / "Library" / "Caches"
        assert module._cache_folder() == caches / "googlenet-parity" / "fashion-mnist"

    def test_each_file_gzipped_or_not(self, tmp_path: Path) -> None:
        write_files(tmp_path / "mixed", *NAMES[:1])
        write_files(tmp_path / "mixed", *NAMES[1:], packed=True)
        assert find_fashion_mnist(tmp_path / "mixed") == tmp_path / "mixed"

    @pytest.mark.parametrize("by_variable", [False, True])
    def test_folder_that_is_named_must_hold_them(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
    ) -> None:
        write_files(cache)
        folder = write_files(tmp_path / "mine", *NAMES[:2])
        if by_variable:
            monkeypatch.setenv("GOOGLENET_DATA", str(folder))
        with pytest.raises(DataError) as caught:
            find_fashion_mnist(None if by_variable else folder)
        assert f"The folder '{folder}'" in str(caught.value)
        assert "holds no t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; expected the four files" in str(caught.value)
        assert ("which $GOOGLENET_DATA names" in str(caught.value)) == by_variable

    @pytest.mark.parametrize("is_file", [False, True])
    def test_folder_that_is_none(self, tmp_path: Path, is_file: bool) -> None:
        if is_file:
            (tmp_path / "x").touch()
        with pytest.raises(DataError, match=r"The folder '.*x' holds no train-images-idx3-ubyte, train-labels"):
            find_fashion_mnist(tmp_path / "x")

    @pytest.mark.parametrize("name", ["", "x" * 300, "a\0b"])
    def test_folder_whose_name_is_none(self, name: str) -> None:
        with pytest.raises(DataError, match="holds no train-images"):
            find_fashion_mnist(name)

    def test_no_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_CACHE_HOME")

        def no_home(path: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", no_home)
        with pytest.raises(DataError, match="There is no home folder"):
            find_fashion_mnist()


class TestLoad:
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize(("split", "count"), [("train", 13), ("test", 7)])
    def test_splits(self, tmp_path: Path, packed: bool, split: str, count: int) -> None:
        data = load_fashion_mnist(split, write_files(tmp_path, packed=packed), verify=False)
        assert data.images.shape == (count, 28, 28)
        assert data.images.dtype == np.uint8
        assert data.labels.shape == (count,)
        assert data.labels.dtype == np.int64
        images, labels = NAMES[:2] if split == "train" else NAMES[2:]
        assert idx(data.images) == FILES[images]
        assert idx(data.labels) == FILES[labels]

    def test_other_data_have_another_hash(self, tmp_path: Path) -> None:
        actual = hashlib.sha256(FILES[NAMES[0]]).hexdigest()
        with pytest.raises(FileError) as caught:
            load_fashion_mnist("train", write_files(tmp_path, packed=True))
        assert f"'{tmp_path / NAMES[0]}.gz' is not the file of Fashion-MNIST" in str(caught.value)
        assert f"its SHA-256 is {actual}; expected c59f468a2f67" in str(caught.value)

    def test_labels_are_verified_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        images = hashlib.sha256(FILES[NAMES[0]]).hexdigest()
        monkeypatch.setitem(module.UNPACKED_SHA256, NAMES[0], images)
        with pytest.raises(FileError, match=r"train-labels-idx1-ubyte' is not the file of Fashion-MNIST"):
            load_fashion_mnist("train", write_files(tmp_path))

    def test_split_that_is_none(self) -> None:
        with pytest.raises(OptionError, match="The split is 'valid'; expected 'train' or 'test'"):
            load_fashion_mnist("valid")

    @pytest.mark.parametrize(
        ("name", "content", "error", "message"),
        [
            (NAMES[0], FILES[NAMES[1]], FileError, r"an array of shape \(13,\); expected images \(N, 28, 28\)"),
            (NAMES[1], FILES[NAMES[0]], FileError, r"shape \(13, 28, 28\); expected labels \(N,\)"),
            (
                NAMES[0],
                idx(np.ones((13, 28, 27), np.uint8)),
                FileError,
                r"\(13, 28, 27\); expected images \(N, 28, 28\)",
            ),
            (NAMES[1], FILES[NAMES[3]], ImagesError, r"labels have shape \(7,\); expected \(13,\)"),
            (NAMES[1], idx(np.arange(13, dtype=np.uint8)), ImagesError, "Label 10 is 10; expected 0 to 9"),
            (NAMES[1], b"", FileError, "ends within its IDX header"),
            (NAMES[0], FILES[NAMES[0]][:-1], FileError, "is truncated"),
        ],
        ids=["labels as images", "images as labels", "width", "other split", "label", "empty", "truncated"],
    )
    def test_file_that_does_not_fit(
        self, tmp_path: Path, name: str, content: bytes, error: type[NetparityError], message: str
    ) -> None:
        (write_files(tmp_path) / name).write_bytes(content)
        with pytest.raises(error, match=message) as caught:
            load_fashion_mnist("train", tmp_path, verify=False)
        assert f"'{tmp_path / name}'" in str(caught.value)

    def test_folder_in_place_of_a_file(self, tmp_path: Path) -> None:
        write_files(tmp_path, *NAMES[1:])
        (tmp_path / NAMES[0]).mkdir()
        with pytest.raises(FileError, match="Is a directory"):
            load_fashion_mnist("train", tmp_path, verify=False)


class TestRealData:
    @pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
    def test_verified_and_balanced(self, fashion_mnist: Path, split: str, count: int) -> None:
        images, labels = load_fashion_mnist(split, fashion_mnist)
        assert images.shape == (count, 28, 28)
        assert np.bincount(labels).tolist() == [count // 10] * 10

    def test_the_sample_images_are_the_test_images_that_they_claim_to_be(self, fashion_mnist: Path) -> None:
        data = load_fashion_mnist("test", fashion_mnist)
        record = json.loads(SAMPLE_LABELS_FILE.read_text(encoding="utf-8"))
        images, labels = sample_images(image_size=(28, 28))
        np.testing.assert_array_equal(images[:, 0], data.images[record["indices"]] / np.float32(255))
        np.testing.assert_array_equal(labels, data.labels[record["indices"]])
        assert record["classes"] == list(CLASSES)

    def test_one_wrong_pixel_is_seen(self, fashion_mnist: Path, tmp_path: Path) -> None:
        images, labels = load_fashion_mnist("test", fashion_mnist)
        images[5678, 9, 10] ^= 1
        write_files(tmp_path, *NAMES[:2])
        (tmp_path / NAMES[2]).write_bytes(idx(images))
        (tmp_path / NAMES[3]).write_bytes(idx(labels))
        with pytest.raises(FileError, match="t10k-images-idx3-ubyte' is not the file of Fashion-MNIST"):
            load_fashion_mnist("test", tmp_path)


class Server(ThreadingHTTPServer):
    """Gives the four archives; ``cut`` and ``wrong`` name one that is cut off midway or has a wrong byte."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}
        self.cut = self.wrong = ""
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.asked.append(name)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if name == self.server.cut:
            content = content[: len(content) // 2]
        if name == self.server.wrong:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine in place of the official one, and the hashes of what it should give."""
    pytest.importorskip("pooch")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(module, "URL", f"http://127.0.0.1:{running.server_port}/")
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in running.files.items()}
        monkeypatch.setattr(module, "ARCHIVE_SHA256", hashes)
        yield running
        running.shutdown()
        thread.join()


THREE_WAYS = ("--data DIR, or $GOOGLENET_DATA", "dataset-fashion-mnist", "pip install 'googlenet-parity[data]'")


def refused(**options: Any) -> str:
    """The one sentence of a search that must fail; it names the three ways to get the data."""
    with pytest.raises(DataError) as caught:
        find_fashion_mnist(**options)
    message = str(caught.value)
    assert all(way in message for way in THREE_WAYS)
    assert "\n" not in message
    return message


class TestDownload:
    def test_into_the_cache_folder_once(self, server: Server, cache: Path) -> None:
        data = load_fashion_mnist("test", verify=False)
        assert idx(data.images) == FILES[NAMES[2]]
        assert {file.name: file.read_bytes() for file in cache.iterdir()} == server.files
        assert sorted(server.asked) == sorted(server.files)
        load_fashion_mnist("train", verify=False)
        assert len(server.asked) == 4

    def test_tells_how_far_it_is(self, server: Server) -> None:
        told: list[tuple[str, float, float, str]] = []
        find_fashion_mnist(progress=lambda *far: told.append(far))
        for name, content in server.files.items():
            done = [now for file, now, total, _ in told if file == name]
            assert {total for file, _, total, _ in told if file == name} == {len(content)}
            assert done[-1] == len(content)
        assert {step for *_, step in told} == {"downloading"}

    def test_tells_no_more_than_there_is(self) -> None:
        told: list[tuple[str, float, float, str]] = []
        bar = module._Bar("x", lambda *far: told.append(far))
        bar.total = 100
        for _ in range(3):
            bar.update(40)  # pooch tells the length of a piece, which the last one need not have
        assert [far[:3] for far in told] == [("x", 40, 100), ("x", 80, 100), ("x", 100, 100)]

    def test_says_nothing_by_itself(
        self,
        server: Server,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        logger = pytest.importorskip("pooch").get_logger()
        monkeypatch.setattr(logger, "handlers", [*logger.handlers, caplog.handler])
        monkeypatch.setattr(logger, "level", logging.DEBUG)
        find_fashion_mnist()
        assert capfd.readouterr() == ("", "")
        assert not caplog.records
        assert logger.level == logging.DEBUG

    @pytest.mark.parametrize("name", [f"{NAMES[0]}.gz", f"{NAMES[2]}.gz"])
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("cut", "(no connection, or a broken one|what came has the wrong hash)"),
            ("wrong", "what came has the wrong hash and was not kept"),
            ("missing", "the server answers 404 Not Found"),
        ],
    )
    def test_keeps_no_half_and_no_wrong_file(
        self, server: Server, cache: Path, name: str, fault: str, reason: str
    ) -> None:
        whole = dict(server.files)
        if fault == "missing":
            del server.files[name]
        else:
            setattr(server, fault, name)
        message = refused()
        assert message.startswith(f"Fashion-MNIST is not on this machine, and downloading {module.URL}{name} failed (")
        assert re.search(rf"failed \({reason}.*\); three ways", message)
        before = list(whole)[: list(whole).index(name)]
        assert sorted(file.name for file in cache.iterdir()) == sorted(before)

        server.files, server.cut, server.wrong, server.asked = whole, "", "", []
        assert find_fashion_mnist() == cache
        assert server.asked == list(whole)[len(before) :]

    def test_replaces_a_damaged_file_of_an_earlier_download(self, server: Server, cache: Path) -> None:
        cache.mkdir(parents=True)
        (cache / f"{NAMES[0]}.gz").write_bytes(b"half")
        find_fashion_mnist()
        assert {file.name: file.read_bytes() for file in cache.iterdir()} == server.files

    def test_interrupted(self, server: Server, cache: Path) -> None:
        def interrupt(task: str, done: float, total: float, step: str) -> None:
            if task.startswith("t10k-images"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            find_fashion_mnist(progress=interrupt)
        assert sorted(file.name for file in cache.iterdir()) == [f"{NAMES[0]}.gz", f"{NAMES[1]}.gz"]

    def test_not_allowed(self, server: Server, cache: Path) -> None:
        assert "it may not be downloaded" in refused(download=False)
        assert server.asked == []
        assert not cache.exists()

    def test_cache_folder_that_cannot_be_made(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "cache").touch()
        assert "Not a directory" in refused()


def test_offline() -> None:
    pytest.importorskip("pooch")
    assert "failed (no connection, or a broken one: ConnectionError)" in refused()


def test_offline_without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert "pooch, which would download it, is not installed" in refused()


def test_reading_imports_no_pooch(tmp_path: Path) -> None:
    write_files(tmp_path)
    source = "import sys; from googlenet_np import load_fashion_mnist as load; load('test', sys.argv[1], verify=False)"
    check = "; assert not {'pooch', 'requests'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", source + check, str(tmp_path)], check=True, timeout=LIMIT)


def test_names_and_types() -> None:
    assert FashionMNIST._fields == ("images", "labels")
    assert len(CLASSES) == 10
    assert tuple(module.UNPACKED_SHA256) == NAMES
    assert tuple(module.ARCHIVE_SHA256) == tuple(f"{name}.gz" for name in NAMES)

"""Batches: the same images in the same order from the same seed, prepared ahead, and shared out among processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import googlenet_np.batches as module
from googlenet_np.batches import Batches
from googlenet_np.fashion_mnist import load_fashion_mnist
from googlenet_np.images import prepare_images, sample_images
from netparity.network.contract import Batch
from netparity.network.errors import ImagesError, NetparityError, OptionError
from parity_tests.support.command import LIMIT

Array = npt.NDArray[Any]

COUNT = 23
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 5, 7), np.uint8)
LABELS = np.arange(COUNT)
"""Each image's own number, so that a label says which image it stands beside."""


def batches(**options: Any) -> Batches:
    return Batches(IMAGES, LABELS, **{"batch_size": 4, "image_size": (6, 9), "limit": None, **options})


def numbers(epoch: Iterator[Batch]) -> list[list[int]]:
    return [labels.tolist() for _, labels in epoch]


def flat(epoch: Iterator[Batch]) -> list[int]:
    return [number for batch in numbers(epoch) for number in batch]


class TestWhatABatchIs:
    def test_shapes_dtypes_and_layout(self) -> None:
        for images, labels in batches().epoch(0):
            assert images.shape == (len(labels), 1, 6, 9)
            assert images.dtype == np.float32
            assert images.flags.c_contiguous
            assert labels.dtype == np.int64

    def test_resized_by_pillow_bilinear_then_scaled(self) -> None:
        for images, labels in batches().epoch(0):
            for image, number in zip(images, labels, strict=True):
                resized = Image.fromarray(IMAGES[number]).resize((9, 6), Image.Resampling.BILINEAR)
                np.testing.assert_array_equal(image[0], np.asarray(resized) / np.float32(255))

    def test_prepared_as_the_sample_images_are(self, fashion_mnist: Path) -> None:
        images, labels = next(Batches(*load_fashion_mnist("test", fashion_mnist), 14, seed=None).epoch(0))
        desired, desired_labels = sample_images(14)  # numbers 0 to 13 of the test set
        np.testing.assert_array_equal(images, desired)
        np.testing.assert_array_equal(labels, desired_labels)

    def test_integer_labels_of_any_width(self) -> None:
        data = Batches(IMAGES, LABELS.astype(np.uint8), 4)
        assert {labels.dtype for _, labels in data.epoch(0)} == {np.dtype(np.int64)}


class TestOrder:
    def test_every_image_once_and_the_last_batch_short(self) -> None:
        epoch = numbers(batches().epoch(0))
        assert [len(batch) for batch in epoch] == [4, 4, 4, 4, 4, 3]
        assert len(batches()) == 6
        assert sorted(chain.from_iterable(epoch)) == LABELS.tolist()

    @pytest.mark.parametrize(("limit", "length"), [(1, 1), (4, 1), (5, 2), (23, 6), (1000, 6)])
    def test_limit_takes_the_first_images(self, limit: int, length: int) -> None:
        limited = batches(limit=limit)
        assert len(limited) == len(list(limited.epoch(0))) == length
        assert sorted(flat(limited.epoch(3))) == LABELS[:limit].tolist()

    def test_known_orders(self) -> None:
        # Written down, so that a checkpoint of today finds its images tomorrow.
        limited = batches(limit=8, batch_size=3)
        assert numbers(limited.epoch(0)) == [[2, 4, 3], [6, 5, 0], [1, 7]]
        assert numbers(limited.epoch(1)) == [[1, 3, 7], [6, 0, 4], [2, 5]]

    def test_the_same_from_the_same_seed_whatever_came_before(self) -> None:
        one, other = batches(seed=7), batches(seed=7)
        for epoch in (0, 1):
            list(one.epoch(epoch))
        assert numbers(one.epoch(2)) == numbers(other.epoch(2))

    def test_different_from_another_seed_or_epoch(self) -> None:
        orders = [flat(batches(seed=seed).epoch(epoch)) for seed in range(3) for epoch in range(3)]
        assert len(set(map(tuple, orders))) == 9

    def test_does_not_depend_on_the_batch_size(self) -> None:
        assert flat(batches(batch_size=4).epoch(1)) == flat(batches(batch_size=9).epoch(1))

    def test_order_tells_the_same(self) -> None:
        assert batches().order(2).tolist() == flat(batches().epoch(2))

    def test_without_a_seed_in_the_order_of_the_files(self) -> None:
        assert flat(batches(seed=None).epoch(0)) == flat(iter(batches(seed=None))) == LABELS.tolist()
        assert flat(batches(seed=None).epoch(5)) == LABELS.tolist()

    @pytest.mark.parametrize("start", range(8))
    def test_from_a_batch_on(self, start: int) -> None:
        assert numbers(batches().epoch(1, start=start)) == numbers(batches().epoch(1))[start:]

    def test_does_not_touch_global_randomness(self) -> None:
        before = repr(np.random.get_state())  # noqa: NPY002
        list(batches().epoch(0))
        assert repr(np.random.get_state()) == before  # noqa: NPY002


class TestShards:
    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_shards_make_up_the_joint_batch(self, count: int) -> None:
        shards = [list(batches(shard=(rank, count)).epoch(1)) for rank in range(count)]
        for joint, *parts in zip(batches().epoch(1), *shards, strict=True):
            images, labels = np.empty_like(joint[0]), np.empty_like(joint[1])
            for rank, part in enumerate(parts):
                images[rank::count], labels[rank::count] = part
            np.testing.assert_array_equal(images, joint[0])
            np.testing.assert_array_equal(labels, joint[1])

    def test_a_shard_of_a_short_batch_may_be_empty(self) -> None:
        *_, (images, labels) = batches(shard=(3, 4)).epoch(0)
        assert images.shape == (0, 1, 6, 9)
        assert labels.shape == (0,)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("batches")}


class TestInTheBackground:
    @pytest.fixture
    def prepared(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
        """How many images were prepared, and in which thread, batch by batch."""
        record = []

        def recorded(images: Array, image_size: tuple[int, int]) -> Array:
            record.append((len(images), threading.current_thread().name))
            return prepare_images(images, image_size)

        monkeypatch.setattr(module, "prepare_images", recorded)
        return record

    def test_in_one_other_thread_that_ends(self, prepared: list[tuple[int, str]]) -> None:
        list(batches().epoch(0))
        assert [count for count, _ in prepared] == [4, 4, 4, 4, 4, 3]
        assert {name for _, name in prepared} == {"batches_0"}
        assert not threads()

    @pytest.mark.parametrize("taken", [1, 2, 7])
    def test_a_bounded_number_ahead(self, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
        submitted = []

        class Recorded(ThreadPoolExecutor):
            def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
                submitted.append(arguments)
                return super().submit(function, *arguments, **options)

        monkeypatch.setattr(module, "ThreadPoolExecutor", Recorded)
        epoch = batches(batch_size=1).epoch(0)
        list(islice(epoch, taken))
        assert len(submitted) == taken + module.AHEAD
        epoch.close()  # type: ignore[attr-defined]

    def test_the_next_batch_is_prepared_while_this_one_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begun = threading.Semaphore(0)

        def announced(images: Array, image_size: tuple[int, int]) -> Array:
            begun.release()
            return prepare_images(images, image_size)

        monkeypatch.setattr(module, "prepare_images", announced)
        epoch = batches().epoch(0)
        next(epoch)
        for _ in range(1 + module.AHEAD):
            # Without anybody asking for the next.
            assert begun.acquire(timeout=LIMIT), "the limit was reached, and no batch was prepared"
        epoch.close()  # type: ignore[attr-defined]

    def test_nothing_begins_before_the_first_is_asked_for(self, prepared: list[tuple[int, str]]) -> None:
        batches().epoch(0)
        assert not prepared
        assert not threads()

    def test_closed_early(self) -> None:
        epoch = batches().epoch(0)
        next(epoch)
        assert threads()
        epoch.close()  # type: ignore[attr-defined]
        assert not threads()

    def test_left_by_an_exception(self) -> None:
        def interrupted() -> None:
            for _ in batches().epoch(0):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert not threads()

    def test_an_error_comes_where_the_batch_would(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(images: Array, image_size: tuple[int, int]) -> Array:
            if len(images) == 3:  # the last batch
                raise MemoryError("no room")
            return prepare_images(images, image_size)

        monkeypatch.setattr(module, "prepare_images", failing)
        epoch = batches().epoch(0)
        assert len(list(islice(epoch, 5))) == 5
        with pytest.raises(MemoryError, match="no room"):
            next(epoch)
        assert not threads()

    def test_two_epochs_at_once(self) -> None:
        data = batches()
        both = list(zip(data.epoch(0), data.epoch(1), strict=True))
        assert [one[1].tolist() for one, _ in both] == numbers(data.epoch(0))
        assert [other[1].tolist() for _, other in both] == numbers(data.epoch(1))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES.astype(np.float32),
            LABELS,
            r"images are float32 \(23, 5, 7\); expected a NumPy array \(N, h, w\), uint8",
        ),
        (IMAGES[:, None], LABELS, r"images are uint8 \(23, 1, 5, 7\)"),
        (IMAGES[:0], LABELS[:0], r"images are uint8 \(0, 5, 7\)"),
        (IMAGES.tolist(), LABELS, "images are list"),
        (IMAGES, LABELS[1:], r"labels have shape \(22,\); expected \(23,\)"),
        (IMAGES, LABELS.astype(float), "labels have dtype float64"),
        (IMAGES, LABELS - 1, "Label 0 is -1"),
    ],
)
def test_bad_data(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(ImagesError, match=message):
        Batches(images, labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"image_size": (0, 9)}, "image height is 0"),
        ({"limit": 0}, "limit is 0"),
        ({"seed": -1}, "seed is -1; expected a whole number of 0 or more"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"shard": 3}, "The shard is 3; expected a rank and a count"),
        ({"shard": (2, 2)}, "The shard's rank is 2; expected 0 to 1"),
        ({"shard": (-1, 2)}, "The shard's rank is -1; expected 0 to 1"),
        ({"shard": (0, 0)}, "The shard's count is 0"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        batches(**options)


@pytest.mark.parametrize(("epoch", "start", "message"), [(-1, 0, "epoch is -1"), (0, -2, "start is -2")])
def test_bad_epoch(epoch: int, start: int, message: str) -> None:
    with pytest.raises(NetparityError, match=message):
        batches().epoch(epoch, start=start)

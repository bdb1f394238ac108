"""The sample images, a caller's own images from files, and the checks of both."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet_np.images import SAMPLE_LABELS_FILE, SAMPLE_SHEET_FILE, sample_images
from netparity.files.pictures import load_images
from netparity.network.errors import FileError, ImagesError, OptionError
from netparity.network.images import check_images, check_labels

Array = npt.NDArray[Any]


def grey(seed: int, height: int, width: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def rgb(seed: int, height: int, width: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class TestSampleImages:
    def test_shapes_dtypes_and_range(self) -> None:
        images, labels = sample_images(5, image_size=(31, 33), in_channels=2)
        assert images.shape == (5, 2, 31, 33)
        assert images.dtype == np.float32
        assert images.flags.c_contiguous
        assert images.min() >= 0
        assert 0.9 < images.max() <= 1
        assert labels.shape == (5,)
        assert labels.dtype == np.int64

    def test_the_sixteen_cover_all_ten_classes(self) -> None:
        _, labels = sample_images()
        assert labels.tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 8, 0]
        assert set(labels.tolist()) == set(range(10))

    def test_record_beside_the_sheet(self) -> None:
        record = json.loads(SAMPLE_LABELS_FILE.read_text(encoding="utf-8"))
        assert record["indices"] == [*range(14), 18, 19]
        assert [record["classes"][label] for label in record["labels"][:3]] == ["Ankle boot", "Pullover", "Trouser"]
        assert "Zalando SE" in (SAMPLE_SHEET_FILE.parent / "LICENSE").read_text(encoding="utf-8")

    @pytest.mark.parametrize("number", range(16))
    def test_unscaled_images_are_the_tiles_of_the_sheet(self, number: int) -> None:
        sheet = np.asarray(Image.open(SAMPLE_SHEET_FILE))
        row, column = divmod(number, 4)
        tile = sheet[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        images, _ = sample_images(image_size=(28, 28))
        np.testing.assert_array_equal(images[number, 0], tile / np.float32(255))

    def test_known_pixels_of_the_first_test_image(self) -> None:
        # The ankle boot that opens the test set: the corner is empty, the shaft is not.
        images, _ = sample_images(1, image_size=(28, 28))
        assert (images[0, 0, :5, :5] == 0).all()
        assert (images[0, 0, 14, 18:23] * 255).round().astype(int).tolist() == [135, 144, 149, 159, 167]

    def test_resized_by_pillow_bilinear_then_scaled(self) -> None:
        first = Image.open(SAMPLE_SHEET_FILE).crop((0, 0, 28, 28))
        desired = np.asarray(first.resize((33, 31), Image.Resampling.BILINEAR)) / np.float32(255)
        images, _ = sample_images(1, image_size=(31, 33))
        np.testing.assert_array_equal(images[0, 0], desired)

    def test_channel_c_of_image_i_is_sample_i_plus_c(self) -> None:
        one, labels = sample_images()
        three, labels_of_three = sample_images(in_channels=3)
        for channel in range(3):
            np.testing.assert_array_equal(three[:, channel], np.roll(one[:, 0], -channel, axis=0))
        np.testing.assert_array_equal(labels_of_three, labels)

    def test_each_round_of_sixteen_is_rolled_one_pixel_further(self) -> None:
        images, labels = sample_images(40, in_channels=2)
        np.testing.assert_array_equal(images[16:32, :, :, 1:], images[:16, :, :, :-1])
        np.testing.assert_array_equal(images[32:, :, :, 2:], images[:8, :, :, :-2])
        np.testing.assert_array_equal(labels, np.concatenate([labels[:16], labels[:16], labels[:8]]))

    def test_no_two_images_of_a_batch_are_equal(self) -> None:
        images, _ = sample_images(256)
        assert len({image.tobytes() for image in images}) == 256

    def test_a_smaller_batch_is_the_start_of_a_larger_one(self) -> None:
        np.testing.assert_array_equal(sample_images(3)[0], sample_images(20)[0][:3])

    def test_one_pixel(self) -> None:
        assert sample_images(2, image_size=(1, 1))[0].shape == (2, 1, 1, 1)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch_size": 0}, "batch_size is 0"),
            ({"in_channels": 0}, "in_channels is 0"),
            ({"image_size": (0, 96)}, "image height is 0"),
            ({"image_size": (96, -1)}, "image width is -1"),
            ({"image_size": 96}, "image size is 96; expected a height and a width"),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            sample_images(**options)


class TestFolder:
    def test_files_in_order_of_their_names_resized_and_scaled(self, tmp_path: Path) -> None:
        pixels = {"b.png": grey(1, 20, 30), "a.png": grey(2, 7, 9), "c.bmp": grey(3, 12, 12)}
        for name, image in pixels.items():
            Image.fromarray(image).save(tmp_path / name)
        images = load_images(tmp_path, image_size=(11, 13))
        assert images.shape == (3, 1, 11, 13)
        assert images.dtype == np.float32
        for actual, name in zip(images, sorted(pixels), strict=True):
            desired: Array = np.asarray(Image.fromarray(pixels[name]).resize((13, 11), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(actual[0], desired / np.float32(255))

    def test_three_channels_are_red_green_blue(self, tmp_path: Path) -> None:
        pixels = rgb(4, 5, 6)
        Image.fromarray(pixels).save(tmp_path / "x.png")
        images = load_images(tmp_path, image_size=(5, 6), in_channels=3)
        assert images.flags.c_contiguous
        for channel in range(3):
            np.testing.assert_array_equal(images[0, channel], pixels[:, :, channel] / np.float32(255))

    def test_colour_becomes_grey_and_grey_becomes_colour(self, tmp_path: Path) -> None:
        Image.fromarray(rgb(5, 8, 8)).save(tmp_path / "1.png")
        Image.fromarray(grey(6, 8, 8)).save(tmp_path / "2.png")
        assert load_images(tmp_path, image_size=(8, 8), in_channels=1).shape == (2, 1, 8, 8)
        colour = load_images(tmp_path, image_size=(8, 8), in_channels=3)
        np.testing.assert_array_equal(colour[1, 0], colour[1, 2])

    def test_names_that_begin_with_a_dot_are_left_out(self, tmp_path: Path) -> None:
        Image.fromarray(grey(7, 8, 8)).save(tmp_path / "1.png")
        (tmp_path / ".DS_Store").write_bytes(b"no image")
        assert len(load_images(tmp_path)) == 1

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"The folder '.*' holds no image files"):
            load_images(tmp_path)

    def test_channels_that_no_image_file_has(self, tmp_path: Path) -> None:
        with pytest.raises(ImagesError, match=r"1 channel \(grey\) or 3 \(RGB\), not 2"):
            load_images(tmp_path, in_channels=2)

    def test_text_file_among_the_images(self, tmp_path: Path) -> None:
        Image.fromarray(grey(8, 8, 8)).save(tmp_path / "1.png")
        (tmp_path / "notes.txt").write_text("no image")
        with pytest.raises(FileError, match=r"notes\.txt' as an image"):
            load_images(tmp_path)

    def test_folder_among_the_images(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        with pytest.raises(FileError, match="inner' as an image"):
            load_images(tmp_path)

    def test_sixteen_bit_image_is_refused_not_clipped(self, tmp_path: Path) -> None:
        Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")
        with pytest.raises(ImagesError, match=r"deep\.png' is deeper than 8 bits"):
            load_images(tmp_path)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tiff"])
    def test_truncated_file(self, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"cut.{suffix}"
        Image.fromarray(grey(9, 64, 64)).save(file)
        file.write_bytes(file.read_bytes()[:600])
        with pytest.raises(FileError, match=rf"cut\.{suffix}' as an image"):
            load_images(tmp_path)

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        with pytest.raises(FileError, match=r"empty\.png' as an image"):
            load_images(tmp_path)

    def test_image_that_would_fill_the_memory(self, tmp_path: Path) -> None:
        content = bytearray(SAMPLE_SHEET_FILE.read_bytes())
        content[16:24] = struct.pack(">II", 200_000, 200_000)  # width and height in the PNG's header
        (tmp_path / "bomb.png").write_bytes(content)
        with pytest.raises(FileError, match=r"bomb\.png' as an image"):
            load_images(tmp_path)

    @pytest.mark.parametrize("suffix", ["png", "gif"])
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_damaged_files_raise_only_this_error(
        self, tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
    ) -> None:
        folder = tmp_path_factory.mktemp("damaged")
        file = folder / f"damaged.{suffix}"
        Image.fromarray(grey(10, 16, 16)).save(file)
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content)
        try:
            images = load_images(folder, image_size=(8, 8))
        except FileError as error:
            assert str(file) in str(error)
        else:
            assert images.shape == (1, 1, 8, 8)


class TestNpy:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_floats_come_back_bit_for_bit_in_their_own_size(self, tmp_path: Path, dtype: type) -> None:
        desired: Array = np.random.default_rng(0).standard_normal((2, 3, 5, 7)).astype(dtype)
        np.save(tmp_path / "x.npy", desired)
        images = load_images(tmp_path / "x.npy", image_size=(96, 96), in_channels=3)
        assert images.dtype == dtype
        assert images.tobytes() == desired.tobytes()

    def test_result_is_a_plain_writable_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((2, 1, 5, 7), np.float32))
        images = load_images(tmp_path / "x.npy")
        assert type(images) is np.ndarray
        images += 1
        assert (np.load(tmp_path / "x.npy") == 0).all()

    def test_bytes_are_scaled(self, tmp_path: Path) -> None:
        pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 8, 32)
        np.save(tmp_path / "x.npy", pixels)
        images = load_images(tmp_path / "x.npy")
        assert images.dtype == np.float32
        np.testing.assert_array_equal(images, pixels / np.float32(255))

    @pytest.mark.parametrize("dtype", [">f4", ">f8"])
    def test_other_byte_order(self, tmp_path: Path, dtype: str) -> None:
        desired = np.arange(70, dtype=dtype).reshape(2, 1, 5, 7)
        np.save(tmp_path / "x.npy", desired)
        images = load_images(tmp_path / "x.npy")
        assert images.dtype.isnative
        np.testing.assert_array_equal(images, desired)

    def test_fortran_order(self, tmp_path: Path) -> None:
        desired = np.arange(70, dtype=np.float32).reshape(2, 1, 5, 7)
        np.save(tmp_path / "x.npy", np.asfortranarray(desired))
        images = load_images(tmp_path / "x.npy")
        assert images.flags.c_contiguous
        np.testing.assert_array_equal(images, desired)

    def test_name_is_no_matter(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((1, 1, 2, 3), np.float32))
        (tmp_path / "x.npy").rename(tmp_path / "images")
        assert load_images(str(tmp_path / "images")).shape == (1, 1, 2, 3)

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros((4, 8, 8), np.float32), r"x\.npy': .* shape \(4, 8, 8\); expected four axes"),
            (np.zeros((4, 3, 8, 8), np.float32), r"x\.npy': .* 3 channels .*; expected 1"),
            (np.zeros((4, 1, 8, 8), np.int64), r"x\.npy': .* dtype int64"),
            (np.zeros((4, 1, 8, 8), "U3"), r"x\.npy': .* dtype <U3"),
            (np.zeros((0, 1, 8, 8), np.float32), r"x\.npy': .* the batch is empty"),
            (np.full((1, 1, 2, 2), np.nan, np.float32), r"x\.npy': .* hold nan at"),
        ],
    )
    def test_array_that_does_not_fit(self, tmp_path: Path, array: Array, message: str) -> None:
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(ImagesError, match=message):
            load_images(tmp_path / "x.npy")

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"Cannot read '.*nowhere\.npy': No such file or directory"):
            load_images(tmp_path / "nowhere.npy")

    @pytest.mark.parametrize("content", [b"", b"no array at all", b"PK\x03\x04 an archive"])
    def test_another_kind_of_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(FileError, match=r"x\.npy' is neither a \.npy file nor a folder of image files"):
            load_images(tmp_path / "x.npy")

    def test_no_pickle_is_executed(self, tmp_path: Path) -> None:
        trace = tmp_path / "executed"
        np.save(tmp_path / "x.npy", np.array([Touch(trace)], dtype=object), allow_pickle=True)
        (tmp_path / "y.npy").write_bytes(pickle.dumps(Touch(trace)))
        for name in ("x.npy", "y.npy"):
            with pytest.raises(FileError, match=name):
                load_images(tmp_path / name)
        assert not trace.exists()

    @pytest.mark.parametrize("length", [5, 7, 9, 20, 100, 127, 129, 400])
    def test_truncated(self, tmp_path: Path, length: int) -> None:
        np.save(tmp_path / "x.npy", np.zeros((2, 1, 5, 11), np.float32))
        content = (tmp_path / "x.npy").read_bytes()
        assert length < len(content)
        (tmp_path / "x.npy").write_bytes(content[:length])
        with pytest.raises(FileError, match=r"x\.npy"):
            load_images(tmp_path / "x.npy")

    @pytest.mark.parametrize(
        "shape",
        [
            (16, 1, 20_000, 20_000),
            (10**12, 1, 1, 1),
            (2**62, 4, 1, 1),
            (2**32, 2**32, 1, 1),
            (10**30, 1, 1, 1),
            (-1, 1, 2, 2),
        ],
    )
    def test_header_that_claims_more_than_there_is_takes_no_memory(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        write_npy(tmp_path / "x.npy", f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}")
        tracemalloc.start()
        try:
            with pytest.raises(FileError, match=r"x\.npy"):
                load_images(tmp_path / "x.npy")
            assert tracemalloc.get_traced_memory()[1] < 2**20
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        "header",
        ["", "{", "[]", "{'descr': '<f4'}", "__import__('os')", "{'descr': '|O', 'fortran_order': 0, 'shape': ()}"],
    )
    def test_header_that_is_none(self, tmp_path: Path, header: str) -> None:
        write_npy(tmp_path / "x.npy", header)
        with pytest.raises(FileError, match=r"x\.npy"):
            load_images(tmp_path / "x.npy")

    @pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # NumPy reads the header as a Python literal
    @settings(max_examples=300, deadline=None)
    @given(position=st.integers(0, 127), byte=st.integers(0, 255))
    def test_damaged_headers_raise_only_these_errors(
        self, tmp_path_factory: pytest.TempPathFactory, position: int, byte: int
    ) -> None:
        file = tmp_path_factory.mktemp("damaged") / "x.npy"
        np.save(file, np.zeros((2, 1, 5, 7), np.float32))
        content = bytearray(file.read_bytes())
        content[position] = byte
        file.write_bytes(content)
        try:
            images = load_images(file)
        except (FileError, ImagesError) as error:
            assert str(file) in str(error)
        else:
            check_images(images, 1)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def write_npy(file: Path, header: str) -> None:
    """A .npy file, format version 1, with 64 bytes of data after ``header``."""
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64))


class TestCheckImages:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_good_ones(self, dtype: type) -> None:
        check_images(np.full((2, 3, 1, 7), -5, dtype), 3)
        check_images(np.zeros((1, 1, 1, 1), dtype))

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            ([[1.0]], r"are a list; expected a NumPy array \(N, C, H, W\)"),
            (np.zeros((2, 1, 4, 5), np.uint8), r"dtype uint8; .* divide by 255 for \[0, 1\]"),
            (np.zeros((2, 1, 4, 5), np.float16), "dtype float16; expected float32 or float64"),
            (np.zeros((2, 1, 4, 5), bool), "dtype bool; expected float32 or float64"),
            (np.zeros((2, 1, 4, 5), object), "dtype object; expected float32 or float64"),
            (np.zeros((1, 4, 5), np.float32), r"shape \(1, 4, 5\); expected four axes"),
            (np.zeros((), np.float32), r"shape \(\); expected four axes"),
            (np.zeros((2, 4, 5, 1), np.float32), r"4 channels \(shape \(2, 4, 5, 1\)\); expected 1"),
            (np.zeros((0, 1, 4, 5), np.float32), "the batch is empty"),
            (np.zeros((2, 0, 4, 5), np.float32), "the channel axis is empty"),
            (np.zeros((2, 1, 0, 5), np.float32), "the height is empty"),
            (np.zeros((2, 1, 4, 0), np.float32), "the width is empty"),
        ],
    )
    def test_bad_ones(self, images: Any, message: str) -> None:
        with pytest.raises(ImagesError, match=message):
            check_images(images, 1)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_first_position_that_is_not_finite(self, value: float, dtype: type) -> None:
        images: Array = np.zeros((2, 3, 4, 5), dtype)
        images[1, 0, 3, 2] = images[1, 2, 0, 0] = value
        with pytest.raises(ImagesError, match=rf"hold {value} at \(n, c, h, w\) = \(1, 0, 3, 2\)"):
            check_images(images)


class TestCheckLabels:
    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
    def test_good_ones(self, dtype: type) -> None:
        check_labels(np.array([0, 9, 3], dtype), 3, 10)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ([0, 1, 2], r"are a list; expected a NumPy array \(N,\)"),
            (np.zeros(3, np.float32), "dtype float32; expected an integer dtype"),
            (np.zeros(3, bool), "dtype bool; expected an integer dtype"),
            (np.zeros(2, np.int64), r"shape \(2,\); expected \(3,\), one for each image"),
            (np.zeros((3, 1), np.int64), r"shape \(3, 1\); expected \(3,\)"),
            (np.array([0, 9, 10]), "Label 2 is 10; expected 0 to 9"),
            (np.array([0, -1, 10]), "Label 1 is -1; expected 0 to 9"),
        ],
    )
    def test_bad_ones(self, labels: Any, message: str) -> None:
        with pytest.raises(ImagesError, match=message):
            check_labels(labels, 3, 10)

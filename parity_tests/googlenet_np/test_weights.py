"""Canonical weights: the seeded initialisation, what makes a set canonical, and the round trip through a file."""

from __future__ import annotations

import hashlib
import json
from math import sqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, OptionError, WeightsError, check_weights, init_weights, load_weights, save_weights
from googlenet_np.weights import SCHEMES
from netparity.network.layout import hwio_to_oihw, oihw_to_hwio

Array = npt.NDArray[Any]
Weights = dict[str, Array]

IN_CHANNELS, NUM_CLASSES = 3, 7

FANS = {
    # fan_in = channels x kernel area, fan_out = output channels x kernel area, for 3 channels and 7 classes
    "b1.conv": (3 * 49, 64 * 49),
    "b2.conv1": (64, 64),
    "b3.inception_3a.p3_2": (16 * 25, 32 * 25),
    "b4.inception_4d.p2_2": (144 * 9, 288 * 9),
    "fc": (1024, 7),
}

GOLDEN = {
    # SHA-256 over the bytes of all 116 arrays in canonical order; seed 0, 1 channel, 10 classes.
    "xavier_uniform": "e5c6dd0b6f9a7d63b662ea9d95d3e92f2cf9b7e378f406b335677dbf58e30231",
    "pytorch": "25aadbb1e89d7b6238ba94e0212543fdde4dd8b3d632dbef6615c2b7e3b9b2ad",
    "keras": "d86a28afbca29a275d1cfc8306835cba159c66f4c34ae50725ab673b45941296",
    "gluon": "35b5cc7c4eb751b0a34bae4a3c00c2c149ce33a0f44069ffb9ab1e3a8626f8ea",
}


def weight_limit(scheme: str, fan_in: int, fan_out: int) -> float:
    return {
        "xavier_uniform": sqrt(6 / (fan_in + fan_out)),
        "pytorch": 1 / sqrt(fan_in),
        "keras": sqrt(6 / (fan_in + fan_out)),
        "gluon": 0.07,
    }[scheme]


@pytest.fixture(scope="module")
def shared() -> Weights:
    """Not to be changed: :func:`weights` is a test's own."""
    return init_weights(1, in_channels=IN_CHANNELS, num_classes=NUM_CLASSES)


@pytest.fixture
def weights(shared: Weights) -> Weights:
    """A dict of one's own; its arrays are shared, so replace them and do not write into them."""
    return dict(shared)


class TestInit:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_golden(self, scheme: str) -> None:
        arrays = init_weights(0, scheme=scheme).values()
        little_endian = b"".join(array.astype("<f4").tobytes() for array in arrays)
        assert hashlib.sha256(little_endian).hexdigest() == GOLDEN[scheme]

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_names_shapes_and_dtype(self, scheme: str) -> None:
        weights = init_weights(0, in_channels=IN_CHANNELS, num_classes=NUM_CLASSES, scheme=scheme)
        shapes = GOOGLENET.parameter_shapes(IN_CHANNELS, NUM_CLASSES)
        assert [(name, array.shape) for name, array in weights.items()] == list(shapes.items())
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}

    def test_default_is_xavier_for_one_channel_and_ten_classes(self) -> None:
        np.testing.assert_equal(init_weights(4), init_weights(4, in_channels=1, num_classes=10, scheme=SCHEMES[0]))
        assert SCHEMES[0] == "xavier_uniform"

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_same_seed_gives_the_same_bits(self, scheme: str) -> None:
        seed: Any = np.int64(5)
        np.testing.assert_equal(init_weights(5, scheme=scheme), init_weights(seed, scheme=scheme))

    @pytest.mark.parametrize("name", ["b1.conv.weight", "b1.conv.bias", "fc.weight", "fc.bias"])
    def test_another_seed_gives_others(self, name: str) -> None:
        assert (init_weights(0)[name] != init_weights(1)[name]).all()

    @pytest.mark.parametrize("layer", FANS)
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_weights_fill_their_range(self, scheme: str, layer: str) -> None:
        weight = self.initialised(scheme)[f"{layer}.weight"]
        limit = weight_limit(scheme, *FANS[layer])
        # Of a uniform sample as large as the smallest of these, 4096, the extremes miss the ends by more than one
        # in a hundred with probability 2 exp(-20); the standard error of its mean is the limit / sqrt(3 * 4096).
        assert 0.99 * limit < weight.max() <= np.float32(limit)
        assert -np.float32(limit) <= weight.min() < -0.99 * limit
        assert abs(weight.mean()) < 5 * limit / sqrt(3 * weight.size)

    @pytest.mark.parametrize("layer", FANS)
    @pytest.mark.parametrize("scheme", ["xavier_uniform", "pytorch"])
    def test_biases_fill_their_range(self, scheme: str, layer: str) -> None:
        bias = self.initialised(scheme)[f"{layer}.bias"]
        limit = 1 / sqrt(FANS[layer][0])
        assert abs(bias).min() > 0
        assert 0.5 * limit < abs(bias).max() <= np.float32(limit)

    @pytest.mark.parametrize("scheme", ["keras", "gluon"])
    def test_biases_are_zero(self, scheme: str) -> None:
        biases = [array for name, array in self.initialised(scheme).items() if name.endswith(".bias")]
        assert len(biases) == 58
        assert not np.signbit(np.concatenate(biases)).any()
        assert not np.concatenate(biases).any()

    @pytest.mark.parametrize("scheme", ["xavier", "Keras", "", None])
    def test_unknown_scheme(self, scheme: Any) -> None:
        with pytest.raises(OptionError, match=r"scheme is .*; expected one of xavier_uniform, pytorch, keras, gluon"):
            init_weights(0, scheme=scheme)

    @pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True])
    def test_bad_seed(self, seed: Any) -> None:
        with pytest.raises(OptionError, match=r"The seed is .*; expected a whole number of 0 or more"):
            init_weights(seed)

    @pytest.mark.parametrize("option", ["in_channels", "num_classes"])
    @pytest.mark.parametrize("count", [0, -1, 1.5, "3"])
    def test_bad_count(self, option: str, count: Any) -> None:
        with pytest.raises(OptionError, match=f"{option} is .*; expected a whole number of 1 or more"):
            init_weights(0, **{option: count})

    @staticmethod
    def initialised(scheme: str) -> Weights:
        return init_weights(2, in_channels=IN_CHANNELS, num_classes=NUM_CLASSES, scheme=scheme)


class TestCheck:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_full_set(self, weights: Weights, dtype: Any) -> None:
        check_weights({name: array.astype(dtype) for name, array in weights.items()})

    def test_order_does_not_matter(self, weights: Weights) -> None:
        check_weights(dict(reversed(weights.items())))

    def test_any_mapping_will_do(self, weights: Weights) -> None:
        check_weights(MappingProxyType(weights))

    def test_missing_names_are_all_listed_and_sorted(self, weights: Weights) -> None:
        for name in ("fc.weight", "b1.conv.bias", "b4.inception_4a.p2_1.weight"):
            del weights[name]
        with pytest.raises(WeightsError) as error:
            check_weights(weights)
        assert str(error.value) == (
            "The weights do not have the 116 canonical names; "
            "3 missing: b1.conv.bias, b4.inception_4a.p2_1.weight, fc.weight."
        )

    def test_unexpected_names_are_all_listed_and_sorted(self, weights: Weights) -> None:
        weights |= {"fc2.weight": np.zeros(1), "aux.bias": np.zeros(1)}
        with pytest.raises(WeightsError) as error:
            check_weights(weights)
        assert str(error.value) == (
            "The weights do not have the 116 canonical names; 2 unexpected: aux.bias, fc2.weight."
        )

    def test_renamed(self, weights: Weights) -> None:
        weights["b1.conv1.weight"] = weights.pop("b1.conv.weight")
        with pytest.raises(WeightsError, match=r"1 missing: b1\.conv\.weight; 1 unexpected: b1\.conv1\.weight"):
            check_weights(weights)

    def test_name_that_is_no_string(self, weights: Weights) -> None:
        with pytest.raises(WeightsError, match="2 unexpected: 7, None"):
            check_weights({**weights, None: np.zeros(1), 7: np.zeros(1)})  # type: ignore[dict-item]

    def test_empty(self) -> None:
        with pytest.raises(WeightsError, match=r"116 missing: b1\.conv\.bias, b1\.conv\.weight, b2"):
            check_weights({})

    @pytest.mark.parametrize("weights", [None, 7, [("fc.bias", 0)], "weights.safetensors", np.zeros(3)], ids=str)
    def test_no_dict(self, weights: Any) -> None:
        with pytest.raises(WeightsError, match=r"The weights are a .*; expected a dict of name to NumPy array"):
            check_weights(weights)

    @pytest.mark.parametrize(
        ("name", "bad", "complaint"),
        [
            ("b2.conv1.weight", np.zeros((64, 65, 1, 1)), r"shape \(64, 65, 1, 1\), expected \(64, 64, 1, 1\)"),
            ("b2.conv1.weight", np.zeros((64, 64)), r"shape \(64, 64\), expected \(64, 64, 1, 1\)"),
            ("b2.conv2.weight", np.zeros((3, 3, 64, 192)), r"shape \(3, 3, 64, 192\), expected \(192, 64, 3, 3\)"),
            ("b2.conv1.bias", np.zeros((64, 1)), r"shape \(64, 1\), expected \(64,\)"),
            ("b2.conv1.bias", np.zeros(()), r"shape \(\), expected \(64,\)"),
            ("fc.bias", np.zeros(8), r"shape \(8,\), expected \(7,\)"),
            ("b2.conv1.bias", np.zeros(64, np.int64), "dtype int64, expected float32 or float64"),
            ("b2.conv1.bias", np.zeros(64, np.float16), "dtype float16, expected float32 or float64"),
            ("b2.conv1.bias", np.zeros(64, np.complex128), "dtype complex128, expected float32 or float64"),
            ("b2.conv1.bias", np.zeros(64, object), "dtype object, expected float32 or float64"),
            ("b2.conv1.bias", np.zeros(64, bool), "dtype bool, expected float32 or float64"),
            ("b2.conv1.bias", np.zeros(64, ">f4"), "dtype >f4, expected float32 or float64"),
            ("b2.conv1.bias", [0.0] * 64, "is a list, expected a NumPy array"),
            ("b2.conv1.bias", None, "is a NoneType, expected a NumPy array"),
        ],
        ids=lambda value: None if isinstance(value, str) else f"{np.shape(value)}{getattr(value, 'dtype', '')}",
    )
    def test_tensor_that_does_not_fit(self, weights: Weights, name: str, bad: Any, complaint: str) -> None:
        with pytest.raises(WeightsError, match=rf"^The weights do not fit GoogLeNet: '{name}' (has|is) .*\.$") as error:
            check_weights({**weights, name: bad})
        error.match(complaint)

    @pytest.mark.parametrize(
        ("name", "bad", "complaint"),
        [
            ("b1.conv.weight", np.zeros((64, 7, 7)), r"shape \(64, 7, 7\); expected 4 axes, none of them empty"),
            ("b1.conv.weight", np.zeros((64, 0, 7, 7)), r"shape \(64, 0, 7, 7\); expected 4 axes, none of them empty"),
            ("fc.weight", np.zeros(1024), r"shape \(1024,\); expected 2 axes, none of them empty"),
            ("fc.weight", np.zeros((0, 1024)), r"shape \(0, 1024\); expected 2 axes, none of them empty"),
        ],
        ids=lambda value: None if isinstance(value, str) else str(np.shape(value)),
    )
    def test_tensor_that_tells_no_counts(self, weights: Weights, name: str, bad: Any, complaint: str) -> None:
        with pytest.raises(WeightsError, match=f"^'{name}' has {complaint}"):
            check_weights({**weights, name: bad})

    @pytest.mark.parametrize("name", ["b1.conv.weight", "fc.weight"])
    @pytest.mark.parametrize("bad", [None, 7, [[0.0], [0.0, 1.0]]], ids=["None", "7", "ragged lists"])
    def test_tensor_that_should_tell_the_counts_and_is_no_array(self, weights: Weights, name: str, bad: Any) -> None:
        with pytest.raises(WeightsError, match=f"^'{name}' is a {type(bad).__name__}; expected a NumPy array"):
            check_weights({**weights, name: bad})

    def test_every_tensor_that_does_not_fit_is_listed(self, weights: Weights) -> None:
        weights |= {"b2.conv1.bias": np.zeros(63), "fc.bias": np.zeros(7, int)}
        with pytest.raises(WeightsError, match=r"'b2\.conv1\.bias' has shape .*; 'fc\.bias' has dtype int64"):
            check_weights(weights)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_value_that_is_not_finite(self, weights: Weights, value: float, dtype: Any) -> None:
        bad = weights["b2.conv2.weight"].astype(dtype)
        bad[5, 4, 1, 2] = value
        with pytest.raises(WeightsError, match=rf"'b2.conv2.weight' holds {value} at \(5, 4, 1, 2\), expected finite"):
            check_weights({**weights, "b2.conv2.weight": bad})

    def test_infinities_that_would_cancel(self, weights: Weights) -> None:
        bad = weights["b2.conv1.bias"].copy()
        bad[2:4] = np.inf, -np.inf
        with pytest.raises(WeightsError, match=r"'b2.conv1.bias' holds inf at \(2,\)"):
            check_weights({**weights, "b2.conv1.bias": bad})

    @pytest.mark.filterwarnings("error")
    def test_finite_values_may_have_a_sum_that_is_not(self, weights: Weights) -> None:
        check_weights({**weights, "fc.bias": np.full(7, np.finfo(np.float32).max)})

    def test_what_a_mask_hides_counts(self, weights: Weights) -> None:
        masked: Any = np.array([np.nan, *range(6)]).view(np.ma.MaskedArray)
        masked[0] = np.ma.masked
        with pytest.raises(WeightsError, match=r"'fc\.bias' holds .* at \(0,\)"):
            check_weights({**weights, "fc.bias": masked})

    @pytest.mark.parametrize(
        ("counts", "complaint"),
        [
            ({"in_channels": 1}, r"'b1\.conv\.weight' has shape \(64, 3, 7, 7\), expected \(64, 1, 7, 7\)"),
            ({"num_classes": 10}, r"'fc\.weight' has shape \(7, 1024\), expected \(10, 1024\); 'fc\.bias' has"),
        ],
        ids=str,
    )
    def test_set_for_other_counts(self, weights: Weights, counts: Any, complaint: str) -> None:
        with pytest.raises(WeightsError, match=complaint):
            check_weights(weights, **counts)

    def test_set_for_the_counts_asked_for(self, weights: Weights) -> None:
        check_weights(weights, in_channels=IN_CHANNELS, num_classes=NUM_CLASSES)

    @pytest.mark.parametrize("counts", [{"in_channels": 0}, {"num_classes": 0}], ids=str)
    def test_count_that_no_set_can_have(self, weights: Weights, counts: Any) -> None:
        with pytest.raises(OptionError, match="is 0; expected a whole number of 1 or more"):
            check_weights(weights, **counts)


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_bit_for_bit_and_in_canonical_order(self, tmp_path: Path, weights: Weights, dtype: Any) -> None:
        path = tmp_path / "weights.safetensors"
        before = {name: array.astype(dtype) for name, array in weights.items()}
        before["fc.bias"] = np.array([-0.0, 5e-324, 1e-45, 3e38, -1 / 3, 1, 2]).astype(dtype)
        save_weights(path, dict(reversed(before.items())))
        after = load_weights(path)
        assert list(after) == list(GOOGLENET.parameter_shapes())
        assert {name: bits(array) for name, array in after.items()} == {
            name: bits(array) for name, array in before.items()
        }

    def test_memory_order_of_an_array_does_not_matter(self, tmp_path: Path, weights: Weights) -> None:
        path = tmp_path / "weights.safetensors"
        kernel = weights["b2.conv2.weight"]
        weights["b2.conv2.weight"] = hwio_to_oihw(np.ascontiguousarray(oihw_to_hwio(kernel)))
        assert not weights["b2.conv2.weight"].flags.c_contiguous
        save_weights(path, weights)
        np.testing.assert_array_equal(load_weights(path)["b2.conv2.weight"], kernel, strict=True)

    def test_header_says_what_the_file_is(self, tmp_path: Path, weights: Weights) -> None:
        path = tmp_path / "weights.safetensors"
        save_weights(str(path), weights)
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.pop("__metadata__")
        assert json.loads(metadata.pop("netparity weights")) == {
            "format_version": 1,
            "architecture": {"name": "GoogLeNet", "in_channels": IN_CHANNELS, "num_classes": NUM_CLASSES},
            "layout": "kernels OIHW, dense (out, in)",
        }
        assert not metadata
        assert header["b1.conv.weight"]["shape"] == [64, IN_CHANNELS, 7, 7]
        assert len(header) == 116

    def test_the_same_weights_give_the_same_bytes(self, tmp_path: Path, weights: Weights) -> None:
        paths = [tmp_path / f"{number}.safetensors" for number in range(4)]
        for path in paths:
            save_weights(path, weights)
        assert len({path.read_bytes() for path in paths}) == 1

    def test_callers_arrays_are_neither_changed_nor_kept(self, tmp_path: Path, weights: Weights) -> None:
        before = {name: array.copy() for name, array in weights.items()}
        for array in before.values():
            array.flags.writeable = False
        names = list(before)
        save_weights(tmp_path / "weights.safetensors", before)
        after = load_weights(tmp_path / "weights.safetensors")
        assert list(before) == names
        np.testing.assert_equal(before, weights)
        assert not any(np.may_share_memory(after[name], before[name]) for name in after)

    def test_loaded_arrays_are_the_callers_own(self, tmp_path: Path, weights: Weights) -> None:
        save_weights(tmp_path / "weights.safetensors", weights)
        after = load_weights(tmp_path / "weights.safetensors")
        assert all(array.flags.writeable and array.flags.owndata for array in after.values())


def bits(array: Array) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, array.tobytes()

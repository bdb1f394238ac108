"""The architecture's data against the paper, and the three ``model.py`` against the data.

Every number here is written down anew, from Table 1 of Szegedy et al., arXiv 1409.4842, or worked out by hand.
"""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import sys
from dataclasses import FrozenInstanceError, replace
from importlib import import_module
from inspect import signature
from math import ceil, prod
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import googlenet_np
from googlenet_np import GOOGLENET, OptionError, UnknownLayerError, layer_table
from netparity.files import weights as files
from netparity.network import reference, weights
from netparity.network.errors import NetparityError
from netparity.network.kinds import Conv2d, Dense, MaxPool2d
from netparity.network.network import Network
from parity_tests.support.backends import BACKENDS, FRAMEWORKS, load
from parity_tests.support.tiers import representative

TABLE_1 = {
    # block: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
    "b3.inception_3a": (64, 96, 128, 16, 32, 32),
    "b3.inception_3b": (128, 128, 192, 32, 96, 64),
    "b4.inception_4a": (192, 96, 208, 16, 48, 64),
    "b4.inception_4b": (160, 112, 224, 24, 64, 64),
    "b4.inception_4c": (128, 128, 256, 24, 64, 64),
    "b4.inception_4d": (112, 144, 288, 32, 64, 64),
    "b4.inception_4e": (256, 160, 320, 32, 128, 128),
    "b5.inception_5a": (256, 160, 320, 32, 128, 128),
    "b5.inception_5b": (384, 192, 384, 48, 128, 128),
}

TABLE_1_OUTPUTS = {
    # The paper writes H x W x C, for three-channel images of 224 x 224.
    "b1.conv": (64, 112, 112),
    "b1.pool": (64, 56, 56),
    "b2.conv2": (192, 56, 56),
    "b2.pool": (192, 28, 28),
    "b3.inception_3a": (256, 28, 28),
    "b3.inception_3b": (480, 28, 28),
    "b3.pool": (480, 14, 14),
    "b4.inception_4a": (512, 14, 14),
    "b4.inception_4b": (512, 14, 14),
    "b4.inception_4c": (512, 14, 14),
    "b4.inception_4d": (528, 14, 14),
    "b4.inception_4e": (832, 14, 14),
    "b4.pool": (832, 7, 7),
    "b5.inception_5a": (832, 7, 7),
    "b5.inception_5b": (1024, 7, 7),
    "b5.pool": (1024,),
    "fc": (1000,),
}

BLOCK_3A = (
    "b3.inception_3a.p1_1",
    "b3.inception_3a.p2_1",
    "b3.inception_3a.p2_2",
    "b3.inception_3a.p3_1",
    "b3.inception_3a.p3_2",
    "b3.inception_3a.p4_1",
    "b3.inception_3a.p4_2",
    "b3.inception_3a",
)

MODEL_LINES = {"torch": 100, "tf": 180, "mx": 100}
"""Lines of code, docstrings apart. Keras needs more: it is told how to save a model, and has no symmetric padding."""


def rows(*arguments: Any) -> dict[str, googlenet_np.LayerRow]:
    return {row.name: row for row in layer_table(*arguments)}


def model_source(backend: str) -> str:
    return (Path(googlenet_np.__file__).parents[1] / f"googlenet_{backend}" / "model.py").read_text(encoding="utf-8")


class TestNames:
    def test_block_3a_stands_behind_the_stem_in_canonical_order(self) -> None:
        stem = ("b1.conv", "b1.pool", "b2.conv1", "b2.conv2", "b2.pool")
        assert GOOGLENET.names[:13] == stem + BLOCK_3A

    def test_stages_hold_their_blocks_in_order_and_end_with_their_pool(self) -> None:
        outside_blocks = [name for name in GOOGLENET.names if ".p" not in name.replace(".pool", "")]
        assert outside_blocks == [
            *("b1.conv", "b1.pool", "b2.conv1", "b2.conv2", "b2.pool"),
            *("b3.inception_3a", "b3.inception_3b", "b3.pool"),
            *("b4.inception_4a", "b4.inception_4b", "b4.inception_4c", "b4.inception_4d", "b4.inception_4e", "b4.pool"),
            *("b5.inception_5a", "b5.inception_5b", "b5.pool", "fc"),
        ]

    @pytest.mark.parametrize("block", TABLE_1)
    def test_every_block_has_the_layers_of_3a(self, block: str) -> None:
        start = GOOGLENET.names.index(f"{block}.p1_1")
        assert GOOGLENET.names[start : start + 8] == tuple(name.replace("b3.inception_3a", block) for name in BLOCK_3A)

    def test_there_are_81_layers_of_which_58_have_weights(self) -> None:
        assert len(GOOGLENET) == len(GOOGLENET.names) == len(set(GOOGLENET.names)) == 81
        assert [len(GOOGLENET.weighted), len(GOOGLENET.parameter_shapes())] == [58, 116]

    def test_parameters_are_each_layers_weight_and_bias(self) -> None:
        names = [f"{layer.name}.{kind}" for layer in GOOGLENET.weighted for kind in ("weight", "bias")]
        assert list(GOOGLENET.parameter_shapes()) == names
        assert names[:2] + names[-2:] == ["b1.conv.weight", "b1.conv.bias", "fc.weight", "fc.bias"]

    def test_every_layer_reads_only_what_stands_before_it(self) -> None:
        early = [
            (layer.name, before)
            for place, layer in enumerate(GOOGLENET)
            for before in layer.inputs
            if before not in ("images", *GOOGLENET.names[:place])
        ]
        assert early == []


class TestTable1:
    @pytest.mark.parametrize("block", TABLE_1)
    def test_channels_and_kernels_of_a_block(self, block: str) -> None:
        branches = ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_2")
        layers = [GOOGLENET[f"{block}.{branch}"] for branch in branches]
        convolutions = [layer for layer in layers if isinstance(layer, Conv2d)]
        assert tuple(layer.out_channels for layer in convolutions) == TABLE_1[block]
        assert [layer.kernel_size for layer in convolutions] == [1, 1, 3, 1, 5, 1]
        assert [layer.padding for layer in convolutions] == [0, 0, 1, 0, 2, 0]
        assert [layer.stride for layer in convolutions] == [1] * 6

    @pytest.mark.parametrize("block", TABLE_1)
    def test_branches_of_a_block(self, block: str) -> None:
        before = GOOGLENET[f"{block}.p1_1"].inputs
        reads = {name.removeprefix(f"{block}."): GOOGLENET[name].inputs for name in GOOGLENET.names if block in name}
        assert {name: inputs for name, inputs in reads.items() if inputs == before} == dict.fromkeys(
            ("p1_1", "p2_1", "p3_1", "p4_1"), before
        )
        assert reads["p2_2"] == (f"{block}.p2_1",)
        assert reads["p3_2"] == (f"{block}.p3_1",)
        assert reads["p4_2"] == (f"{block}.p4_1",)
        assert GOOGLENET[block].inputs == tuple(f"{block}.{last}" for last in ("p1_1", "p2_2", "p3_2", "p4_2"))

    @pytest.mark.parametrize("block", TABLE_1)
    def test_pool_of_a_block_keeps_the_size(self, block: str) -> None:
        pool = GOOGLENET[f"{block}.p4_1"]
        assert isinstance(pool, MaxPool2d)
        assert (pool.kernel_size, pool.stride, pool.padding) == (3, 1, 1)

    @pytest.mark.parametrize("name", ["b1.pool", "b2.pool", "b3.pool", "b4.pool"])
    def test_pools_between_stages_are_3x3_at_stride_2(self, name: str) -> None:
        pool = GOOGLENET[name]
        assert isinstance(pool, MaxPool2d)
        assert (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 1)

    @pytest.mark.parametrize(
        ("name", "numbers"), [("b1.conv", (64, 7, 2, 3)), ("b2.conv1", (64, 1, 1, 0)), ("b2.conv2", (192, 3, 1, 1))]
    )
    def test_stem(self, name: str, numbers: tuple[int, ...]) -> None:
        layer = GOOGLENET[name]
        assert isinstance(layer, Conv2d)
        assert (layer.out_channels, layer.kernel_size, layer.stride, layer.padding) == numbers

    @pytest.mark.parametrize("name", TABLE_1_OUTPUTS)
    def test_output_size_at_224(self, name: str) -> None:
        assert rows(3, 1000, (224, 224))[name].output_shape == TABLE_1_OUTPUTS[name]


class TestLayerTable:
    @pytest.mark.parametrize(("in_channels", "num_classes", "parameters"), [(1, 10, 5_977_530), (3, 1000, 6_998_552)])
    def test_parameters_of_the_network(self, in_channels: int, num_classes: int, parameters: int) -> None:
        assert sum(row.parameters for row in layer_table(in_channels, num_classes)) == parameters
        assert sum(map(prod, GOOGLENET.parameter_shapes(in_channels, num_classes).values())) == parameters

    @pytest.mark.parametrize(
        ("in_channels", "num_classes", "side", "multiply_adds"),
        [(1, 10, 96, 276_066_304), (3, 1000, 224, 1_582_671_872)],
    )
    def test_multiply_adds_of_the_network(
        self, in_channels: int, num_classes: int, side: int, multiply_adds: int
    ) -> None:
        assert sum(row.multiply_adds for row in layer_table(in_channels, num_classes, (side, side))) == multiply_adds

    @pytest.mark.parametrize(
        ("name", "kind", "shape", "parameters", "multiply_adds"),
        [
            # 2 channels, 7 classes, 96 x 64 pixels; output positions 48 x 32, 12 x 8, 1.
            ("b1.conv", "conv", (64, 48, 32), 64 * (2 * 49 + 1), 64 * 2 * 49 * 48 * 32),
            ("b1.pool", "max-pool", (64, 24, 16), 0, 0),
            ("b3.inception_3a.p3_2", "conv", (32, 12, 8), 32 * (16 * 25 + 1), 32 * 16 * 25 * 12 * 8),
            ("b3.inception_3a", "concat", (256, 12, 8), 0, 0),
            ("b5.pool", "avg-pool", (1024,), 0, 0),
            ("fc", "dense", (7,), 7 * 1025, 7 * 1024),
        ],
    )
    def test_row(self, name: str, kind: str, shape: tuple[int, ...], parameters: int, multiply_adds: int) -> None:
        row = rows(2, 7, (96, 64))[name]
        assert (row.kind, row.output_shape, row.parameters, row.multiply_adds) == (
            kind,
            shape,
            parameters,
            multiply_adds,
        )

    def test_rows_are_in_canonical_order(self) -> None:
        assert tuple(row.name for row in layer_table()) == GOOGLENET.names

    def test_any_network_has_a_table(self) -> None:
        stem = replace(GOOGLENET, layers=GOOGLENET.layers[:5])
        assert [row.name for row in stem.table()] == list(GOOGLENET.names[:5])

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(height=st.integers(1, 5000), width=st.integers(1, 5000))
    def test_stride_2_halves_every_size_and_rounds_up(self, height: int, width: int) -> None:
        shapes = GOOGLENET.output_shapes(image_size=(height, width))
        halved = [layer for layer in GOOGLENET if isinstance(layer, (Conv2d, MaxPool2d)) and layer.stride == 2]
        assert [layer.name for layer in halved] == ["b1.conv", "b1.pool", "b2.pool", "b3.pool", "b4.pool"]
        assert {layer.name: shapes[layer.name][1:] for layer in halved} == {
            layer.name: tuple(ceil(n / 2) for n in shapes[layer.inputs[0]][1:]) for layer in halved
        }
        kept = [layer for layer in GOOGLENET if layer not in halved and len(shapes[layer.name]) == 3]
        assert {layer.name: shapes[layer.name][1:] for layer in kept} == {
            layer.name: shapes[layer.inputs[0]][1:] for layer in kept
        }


class TestBadOptions:
    @pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, True, "3", None])
    @pytest.mark.parametrize("option", ["in_channels", "num_classes"])
    def test_count(self, option: str, count: Any) -> None:
        with pytest.raises(OptionError, match=rf"{option} is .*; expected a whole number of 1 or more"):
            layer_table(**{option: count})

    @pytest.mark.parametrize(
        ("size", "side"), [((0, 5), "height"), ((5, 0), "width"), ((-3, 5), "height"), ((5, 2.5), "width")]
    )
    def test_image_size(self, size: Any, side: str) -> None:
        with pytest.raises(OptionError, match=f"image {side} is .*; expected a whole number of 1 or more"):
            layer_table(image_size=size)

    @pytest.mark.parametrize("name", ["b1.relu", "b3.inception_3a.p4_3", "images", "", "FC", None, ["fc"]])
    def test_name_that_is_no_layer(self, name: Any) -> None:
        with pytest.raises(UnknownLayerError, match=r"is no layer of GoogLeNet; its 81 layers are b1\.conv,"):
            GOOGLENET[name]

    @pytest.mark.parametrize("error", ["FileError", "ImagesError", "OptionError", "UnknownLayerError", "WeightsError"])
    def test_exceptions_are_one_family(self, error: str) -> None:
        assert issubclass(getattr(googlenet_np, error), NetparityError)


@pytest.mark.parametrize(
    "name",
    [
        "forward",
        "gradients",
        "layer",
        "layer_gradients",
        "check_weights",
        "load_weights",
        "save_weights",
        "layer_table",
    ],
)
class TestFunctionsOfGoogLeNet:
    """They are the engine's, with GoogLeNet for the network, and functions like any other."""

    def test_is_pickled_by_its_own_name(self, name: str) -> None:
        function = getattr(googlenet_np, name)
        assert pickle.loads(pickle.dumps(function)) is function
        assert (function.__module__.partition(".")[0], function.__qualname__) == ("googlenet_np", name)

    def test_nothing_speaks_of_a_network_to_be_given(self, name: str) -> None:
        function = getattr(googlenet_np, name)
        assert get_type_hints(function).keys() - {"return"} == signature(function).parameters.keys()
        named = re.findall(r"^ +([\w, ]+): ", inspect.getdoc(function) or "", re.MULTILINE)
        assert "network" not in ", ".join(named).split(", ")

    def test_takes_what_the_engines_takes(self, name: str) -> None:
        places: dict[str, Any] = {"load_weights": files, "save_weights": files, "check_weights": weights}
        engines = Network.table if name == "layer_table" else getattr(places.get(name, reference), name)
        own, whole = signature(getattr(googlenet_np, name)), signature(engines)
        assert list(own.parameters.values()) == list(whole.parameters.values())[1:]
        assert own.return_annotation == whole.return_annotation


@pytest.mark.parametrize(
    ("thing", "field"),
    [
        (GOOGLENET, "layers"),
        (GOOGLENET["b1.conv"], "out_channels"),
        (GOOGLENET["b1.pool"], "stride"),
        (GOOGLENET["b3.inception_3a"], "inputs"),
        (GOOGLENET["b5.pool"], "name"),
        (GOOGLENET["fc"], "inputs"),
        (layer_table()[0], "parameters"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_data_are_frozen(thing: Any, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(thing, field, 1)


def inception_calls(source: str) -> dict[str, tuple[tuple[int, ...], int | None]]:
    """Each block's numbers as a ``model.py`` writes them out, in its order: Table 1's columns, and ``in_channels``.

    A block is named by the keyword that the call stands behind (PyTorch, MXNet) or by its ``name=`` (Keras).
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = {keyword.value: keyword.arg for call in calls for keyword in call.keywords}
    found: dict[str, tuple[tuple[int, ...], int | None]] = {}
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id.lower() == "inception":
            options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            c1, c2, c3, c4 = (ast.literal_eval(argument) for argument in call.args)
            found[str(options.get("name", names.get(call)))] = ((c1, *c2, *c3, c4), options.get("in_channels"))
    return found


@pytest.mark.parametrize("backend", BACKENDS)
class TestModelSource:
    """These need no framework: a slip in one ``model.py`` shows wherever the tests run."""

    def test_channel_numbers_are_table_1s(self, backend: str) -> None:
        written = {name: numbers for name, (numbers, _) in inception_calls(model_source(backend)).items()}
        assert written == {block.split(".")[1]: numbers for block, numbers in TABLE_1.items()}
        assert list(written) == [block.split(".")[1] for block in TABLE_1]

    def test_input_channels_are_the_output_channels_of_the_layer_before(self, backend: str) -> None:
        shapes = GOOGLENET.output_shapes()
        written = inception_calls(model_source(backend)).values()
        blocks_input = [shapes[GOOGLENET[f"{block}.p1_1"].inputs[0]][0] for block in TABLE_1]
        assert [given for _, given in written] in (blocks_input, [None] * len(TABLE_1))

    def test_imports_only_its_framework(self, backend: str) -> None:
        nodes = list(ast.walk(ast.parse(model_source(backend))))
        modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        modules += ["." * node.level + (node.module or "") for node in nodes if isinstance(node, ast.ImportFrom)]
        packages = {module.split(".")[0] for module in modules}
        own = {f"googlenet_{backend}"}  # for TensorFlow, layers that are written as its siblings write them
        assert packages - set(sys.stdlib_module_names) - own == {FRAMEWORKS[backend]}

    def test_can_be_read_in_one_sitting(self, backend: str) -> None:
        source = model_source(backend)
        documented = [
            node.body[0]
            for node in ast.walk(ast.parse(source))
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
        ]
        prose = {number for text in documented for number in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
        code = [
            line
            for number, line in enumerate(source.splitlines(), start=1)
            if line.strip() and not line.strip().startswith("#") and number not in prose
        ]
        assert len(code) < MODEL_LINES[backend]


@pytest.mark.parametrize(("in_channels", "num_classes"), representative([(1, 10), (3, 1000)], quick=[(3, 1000)]))
@pytest.mark.parametrize("name", BACKENDS)
def test_model_has_the_tables_parameters(name: str, in_channels: int, num_classes: int) -> None:
    load(name)
    package = import_module(f"googlenet_{name}")
    model = package.GoogLeNet(num_classes, in_channels)
    if hasattr(model, "initialize"):  # Gluon makes its parameters here; the others did so above
        model.initialize()
    shapes = [(name, array.shape) for name, array in package.export_weights(model).items()]
    assert shapes == list(GOOGLENET.parameter_shapes(in_channels, num_classes).items())


def test_dense_layer_reads_the_global_pool() -> None:
    assert isinstance(GOOGLENET["fc"], Dense)
    assert [GOOGLENET["fc"].inputs, GOOGLENET["b5.pool"].inputs] == [("b5.pool",), ("b5.inception_5b",)]

"""googlenet_torch as a PyTorch user meets it, and PyTorch's side of the backend contract."""

from __future__ import annotations

import copy
import doctest
import functools
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import init_weights
from netparity.network.contract import Backend as BackendContract
from netparity.network.contract import BuiltModel
from netparity.network.errors import ImagesError, OptionError, UnknownLayerError, WeightsError
from netparity.network.kinds import Concat, Conv2d
from parity_tests.support.backends import late, package, require
from parity_tests.support.tiers import representative

require("torch")

if TYPE_CHECKING:
    import torch
    from torch import Tensor, fx, nn
    from torch.nn import functional as F

    from googlenet_torch import GoogLeNet, Inception, export_weights, import_weights
    from googlenet_torch.backend import Backend, TorchModel
    from googlenet_torch.inference import Inference
else:
    torch, nn, F = late("torch"), late("torch.nn"), late("torch.nn.functional")
    GoogLeNet, Inception = late("googlenet_torch", "GoogLeNet"), late("googlenet_torch", "Inception")
    export_weights = late("googlenet_torch", "export_weights")
    import_weights = late("googlenet_torch", "import_weights")
    Backend, TorchModel = late("googlenet_torch.backend", "Backend"), late("googlenet_torch.backend", "TorchModel")
    Inference = late("googlenet_torch.inference", "Inference")

Array = npt.NDArray[Any]
Weights = dict[str, Array]

SIZES = [(1, 1), (1, 7), (28, 28), (31, 33), (96, 96)]
SIZE = (31, 33)
"""Height and width where one size will do: odd, and not the same."""

LAYERS = ["b1.conv", "b1.pool", "b3.inception_3a", "b3.inception_3a.p4_1", "b5.pool", "fc"]
"""One of each kind."""


@pytest.fixture
def weights() -> Weights:
    return init_weights(7, in_channels=3, num_classes=11)


@pytest.fixture
def model(weights: Weights) -> GoogLeNet:
    """Three channels and eleven classes, so that no axis has the length that a default would give it."""
    model = GoogLeNet(num_classes=11, in_channels=3)
    import_weights(model, weights)
    return model


@pytest.fixture
def images() -> Array:
    return np.random.default_rng(8).standard_normal((2, 3, *SIZE), np.float32)


def assert_same_bits(*, actual: Weights, desired: Weights) -> None:
    """Same names in the same order, and each array with the same dtype, shape and bits."""
    __tracebackhide__ = True  # pytest would print both sets whole
    assert list(actual) == list(desired)
    differing = [name for name in desired if _bits(actual[name]) != _bits(desired[name])]
    assert not differing, f"{len(differing)} of {len(desired)} arrays differ, {differing[0]!r} first"


def _bits(array: Array) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    return array.dtype, array.shape, array.tobytes()


def in_inference_mode(test: Callable[..., None]) -> Callable[..., None]:
    """What ``torch.inference_mode`` makes of a function, when it is called and not before."""

    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        with torch.inference_mode():
            test(*arguments, **options)

    return run


# The network


@pytest.mark.parametrize("in_channels_and_classes", [(1, 10), (3, 1000)])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_logits_have_one_row_for_each_image(size: tuple[int, int], in_channels_and_classes: tuple[int, int]) -> None:
    in_channels, num_classes = in_channels_and_classes
    model = GoogLeNet(num_classes, in_channels)

    logits = model(torch.rand(2, in_channels, *size))

    assert logits.shape == (2, num_classes)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("in_channels", "num_classes", "expected"), [(1, 10, 5_977_530), (3, 1000, 6_998_552)], ids=["note", "ImageNet"]
)
def test_parameter_count(in_channels: int, num_classes: int, expected: int) -> None:
    model = GoogLeNet(num_classes, in_channels)

    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_defaults_are_those_of_the_note() -> None:
    assert GoogLeNet().state_dict()["b1.conv.weight"].shape == (64, 1, 7, 7)
    assert GoogLeNet().state_dict()["fc.weight"].shape == (10, 1024)


@pytest.mark.parametrize("arguments", [{"num_classes": 0}, {"in_channels": 0}, {"num_classes": -1}], ids=str)
def test_a_count_under_one_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        GoogLeNet(**arguments)


def test_inception_concatenates_its_branches_in_order() -> None:
    block = Inception(5, (6, 7), (8, 9), 10, in_channels=4).double()
    x = torch.randn(2, 4, *SIZE, dtype=torch.float64)

    y = block(x)

    p2, p3 = block.p2_1(x).clamp(min=0), block.p3_1(x).clamp(min=0)
    branches = block.p1_1(x), block.p2_2(p2), block.p3_2(p3), block.p4_2(block.p4_1(x))
    assert [branch.shape[1] for branch in branches] == [5, 7, 9, 10]
    assert torch.equal(y, torch.cat(branches, dim=1).clamp(min=0))


def test_the_docstring_example_runs() -> None:
    results = doctest.testmod(package("torch"))

    assert results.attempted >= 4
    assert results.failed == 0


# What PyTorch users do with a module


def test_state_dict_has_the_canonical_names_and_shapes(model: GoogLeNet) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}

    assert list(shapes.items()) == list(GOOGLENET.parameter_shapes(3, 11).items())


def test_state_dict_round_trip(model: GoogLeNet, images: Array, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = GoogLeNet(num_classes=11, in_channels=3)
    assert not torch.equal(other(torch.from_numpy(images)), model(torch.from_numpy(images)))

    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))

    assert torch.equal(other(torch.from_numpy(images)), model(torch.from_numpy(images)))


def test_deepcopy_shares_no_weights(model: GoogLeNet, weights: Weights) -> None:
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.fc.weight.zero_()

    assert_same_bits(actual=export_weights(model), desired=weights)
    assert not export_weights(twin)["fc.weight"].any()


def test_float64_computes_in_float64(model: GoogLeNet, images: Array) -> None:
    single = model(torch.from_numpy(images)).double()

    double = copy.deepcopy(model).double()(torch.from_numpy(images).double())

    assert double.dtype == torch.float64
    assert not torch.equal(double, single)
    torch.testing.assert_close(double, single, rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_compile_captures_the_network_as_one_graph_and_runs_it(model: GoogLeNet, images: Array) -> None:
    captured = []
    runs = []

    def compiler(graph: fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        captured.append(graph)

        def run(*arguments: Any) -> Any:
            runs.append(graph)
            return graph.forward(*arguments)

        return run

    # Inductor takes 80 s on two cores to compile this network, so the graph that it would be given runs as it is.
    compiled = torch.compile(model, backend=compiler, fullgraph=True)
    with torch.no_grad():
        logits = compiled(torch.from_numpy(images))

    assert torch.equal(logits, model(torch.from_numpy(images)))
    assert len(captured) == len(runs) == 1
    assert sum("conv2d" in str(node.target) for node in captured[0].graph.nodes) == 57


@pytest.mark.exhaustive
def test_export_gives_a_program_for_any_batch(model: GoogLeNet, images: Array, tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(model, (torch.from_numpy(images),), dynamic_shapes={"x": {0: batch}})
    torch.export.save(program, tmp_path / "googlenet.pt2")
    five = torch.rand(5, 3, *SIZE)

    logits = torch.export.load(tmp_path / "googlenet.pt2").module()(five)

    assert torch.equal(logits, model(five))
    assert set(program.state_dict) == set(GOOGLENET.parameter_shapes())


def test_channels_last_gives_the_same_logits(model: GoogLeNet, images: Array) -> None:
    double = torch.from_numpy(images).double()
    expected = model.double()(double)

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    assert model.get_parameter("b1.conv.weight").is_contiguous(memory_format=torch.channels_last)
    actual = model(double.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def test_lazy_googlenet_infers_its_channels_at_the_first_call(images: Array) -> None:
    model = GoogLeNet(num_classes=11, in_channels=None)
    assert model(torch.from_numpy(images)).shape == (2, 11)
    assert model.state_dict()["b1.conv.weight"].shape == (64, 3, 7, 7)


def test_lazy_inception_infers_its_channels_at_the_first_call() -> None:
    block = Inception(5, (6, 7), (8, 9), 10)

    assert block(torch.rand(2, 4, *SIZE)).shape == (2, 31, *SIZE)
    assert [layer.in_channels for layer in (block.p1_1, block.p2_1, block.p3_1, block.p4_2)] == [4, 4, 4, 4]


def test_one_step_of_sgd_lowers_the_loss(model: GoogLeNet, images: Array) -> None:
    x, labels = torch.from_numpy(images), torch.tensor([3, 10])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = F.cross_entropy(model(x), labels)
    before.backward()

    optimizer.step()

    assert F.cross_entropy(model(x), labels) < before
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


# Weights


def _channels_last(model: GoogLeNet) -> GoogLeNet:
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _compiled(model: GoogLeNet) -> nn.Module:
    return torch.compile(model, backend="eager")  # type: ignore[return-value]


def _compiled_in_part(model: GoogLeNet) -> nn.Module:
    model.b3 = torch.compile(model.b3, backend="eager")  # type: ignore[assignment]
    return model


def _training(model: GoogLeNet) -> nn.Module:
    return model.train()


@pytest.mark.parametrize(
    "variant", representative([_channels_last, _compiled, _compiled_in_part, _training], quick=[_channels_last])
)
def test_weights_go_in_and_out_bit_for_bit(variant: Callable[[GoogLeNet], nn.Module], weights: Weights) -> None:
    model = variant(GoogLeNet(num_classes=11, in_channels=3))
    weights["fc.bias"][:3] = -0.0, np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max

    import_weights(model, weights)

    exported = export_weights(model)
    assert_same_bits(actual=exported, desired=weights)
    assert all(array.flags.c_contiguous for array in exported.values())


def test_import_takes_any_order_and_any_strides(weights: Weights) -> None:
    model = GoogLeNet(num_classes=11, in_channels=3)
    awkward = {name: np.flip(np.flip(array).copy()) for name, array in reversed(weights.items())}
    for array in awkward.values():
        array.flags.writeable = False

    import_weights(model, awkward)

    assert_same_bits(actual=export_weights(model), desired=weights)


def test_float32_weights_are_exact_in_a_float64_model(weights: Weights) -> None:
    model = GoogLeNet(num_classes=11, in_channels=3).double()

    import_weights(model, weights)

    exported = export_weights(model)
    assert_same_bits(actual=exported, desired={name: array.astype(np.float64) for name, array in weights.items()})


def test_a_float64_set_keeps_its_bits_in_a_float64_model(weights: Weights) -> None:
    model = GoogLeNet(num_classes=11, in_channels=3).double()
    fine = {name: array.astype(np.float64) + 1e-12 for name, array in weights.items()}

    import_weights(model, fine)

    assert_same_bits(actual=export_weights(model), desired=fine)


def test_import_leaves_the_callers_arrays_alone_and_keeps_none(weights: Weights) -> None:
    model = GoogLeNet(num_classes=11, in_channels=3)
    before = copy.deepcopy(weights)
    import_weights(model, weights)
    assert_same_bits(actual=weights, desired=before)

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()

    assert_same_bits(actual=weights, desired=before)


def test_autograd_notices_that_weights_were_imported_between_forward_and_backward(
    model: GoogLeNet, weights: Weights, images: Array
) -> None:
    loss = model(torch.from_numpy(images)).sum()
    import_weights(model, weights)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_export_gives_copies(model: GoogLeNet, weights: Weights) -> None:
    for array in export_weights(model).values():
        array.fill(0)

    assert_same_bits(actual=export_weights(model), desired=weights)


def _without(weights: Weights, name: str) -> Weights:
    return {other: array for other, array in weights.items() if other != name}


def _with_nan(array: Array) -> Array:
    return np.where(np.arange(array.size).reshape(array.shape) == 5, np.float32(np.nan), array)


FAULTS: dict[str, tuple[Callable[[Weights], Any], str]] = {
    "missing": (lambda w: _without(w, "b4.inception_4c.p3_2.weight"), r"missing: b4\.inception_4c\.p3_2\.weight"),
    "unexpected": (lambda w: w | {"b6.conv.bias": np.zeros(3, np.float32)}, r"unexpected: b6\.conv\.bias"),
    "shape": (lambda w: w | {"b2.conv2.weight": w["b2.conv2.weight"][:-1]}, r"'b2\.conv2\.weight' has shape"),
    "NaN": (lambda w: w | {"b2.conv1.bias": _with_nan(w["b2.conv1.bias"])}, r"'b2\.conv1\.bias' holds nan at \(5,\)"),
    "integers": (lambda w: w | {"fc.bias": np.zeros(11, np.int64)}, r"'fc\.bias' has dtype int64"),
    "all float64": (lambda w: {name: array.astype(np.float64) for name, array in w.items()}, "losing bits"),
    "one float64": (lambda w: w | {"fc.bias": w["fc.bias"].astype(np.float64)}, r"1 of the 116.*'fc\.bias'"),
    "channels": (lambda _: init_weights(7, in_channels=1, num_classes=11), r"'b1\.conv\.weight' has shape"),
    "classes": (lambda _: init_weights(7, in_channels=3, num_classes=10), r"'fc\.weight' has shape"),
    "no dict": (lambda w: list(w.values()), "expected a dict"),
}


@pytest.mark.parametrize("fault", representative(FAULTS, quick=["missing", "NaN", "classes"]))
def test_a_faulty_set_is_refused_and_the_model_stays_as_it_was(fault: str, model: GoogLeNet) -> None:
    spoil, sentence = FAULTS[fault]
    before = export_weights(model)

    with pytest.raises(WeightsError, match=sentence):
        import_weights(model, spoil(init_weights(9, in_channels=3, num_classes=11)))

    assert_same_bits(actual=export_weights(model), desired=before)


def test_a_lazy_model_takes_its_channels_from_the_weights(weights: Weights, images: Array, model: GoogLeNet) -> None:
    lazy = GoogLeNet(num_classes=11, in_channels=None)

    import_weights(lazy, weights)

    assert_same_bits(actual=export_weights(lazy), desired=weights)
    assert "Conv2d(3, 64," in repr(lazy.b1)
    assert torch.equal(lazy(torch.from_numpy(images)), model(torch.from_numpy(images)))


def test_a_lazy_model_stays_lazy_when_the_weights_are_refused(weights: Weights) -> None:
    lazy = GoogLeNet(num_classes=10, in_channels=None)
    with pytest.raises(WeightsError, match=r"'fc\.weight' has shape"):
        import_weights(lazy, weights)

    assert lazy(torch.rand(2, 2, *SIZE)).shape == (2, 10)


def test_a_lazy_model_has_no_weights_to_export() -> None:
    with pytest.raises(WeightsError, match="does not know its input channels"):
        export_weights(GoogLeNet(in_channels=None))


@pytest.mark.parametrize(
    "verb", [lambda net: import_weights(net, init_weights(0)), lambda net: dict(export_weights(net))], ids=["in", "out"]
)
def test_another_network_is_refused(verb: Callable[[nn.Module], Any]) -> None:
    with pytest.raises(WeightsError, match=r"no GoogLeNet.*b1\.conv\.weight"):
        verb(nn.Linear(1024, 10))


# The backend contract


@pytest.fixture(scope="module")
def frozen_weights() -> Weights:
    weights = init_weights(11, in_channels=3, num_classes=11)
    for array in weights.values():
        array.flags.writeable = False
    return weights


@pytest.fixture(scope="module", params=["float32", "float64"])
def built(request: pytest.FixtureRequest, frozen_weights: Weights) -> TorchModel:
    weights = {name: array.astype(request.param) for name, array in frozen_weights.items()}
    return Backend().build(weights, request.param)


@pytest.fixture(scope="module")
def recorded(built: TorchModel) -> Weights:
    """One forward pass: the images and every activation."""
    images = np.random.default_rng(12).standard_normal((2, 3, 45, 38), np.float32)
    return {"images": images, **built.activations(images)}


def _layer_input(name: str) -> str:
    """What the layer reads; of a block, what its branches read."""
    layer = GOOGLENET[name]
    return GOOGLENET[f"{name}.p1_1"].inputs[0] if isinstance(layer, Concat) else layer.inputs[0]


def test_backend_keeps_the_contract(built: TorchModel) -> None:
    assert isinstance(Backend(), BackendContract)
    assert isinstance(built, BuiltModel)
    assert Backend.name == "torch"
    assert next(iter(Backend().versions().items())) == ("torch", torch.__version__)


def test_activations_are_all_layers_in_order_with_their_shapes(recorded: Weights) -> None:
    shapes = {name: array.shape for name, array in recorded.items()}

    expected = GOOGLENET.output_shapes(3, 11, (45, 38))
    assert list(shapes.items()) == [(name, (2, *shape)) for name, shape in expected.items()]


@pytest.mark.parametrize("name", representative(GOOGLENET.names, LAYERS))
def test_a_layer_alone_gives_the_bits_of_the_whole_pass(name: str, built: TorchModel, recorded: Weights) -> None:
    alone = built.layer(name, recorded[_layer_input(name)])

    assert _bits(alone) == _bits(recorded[name])
    assert alone.flags.c_contiguous


def test_the_recorded_logits_are_those_of_the_model(model: GoogLeNet, images: Array) -> None:
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()

    assert _bits(TorchModel(model).activations(images)["fc"]) == _bits(logits)


def _without_one_relu(block: Any) -> None:
    """Makes it a block with no ReLU behind ``p3_1``."""

    class WithoutOneReLU(type(block)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            p1 = F.relu(self.p1_1(x))
            p2 = F.relu(self.p2_2(F.relu(self.p2_1(x))))
            p3 = F.relu(self.p3_2(self.p3_1(x)))
            p4 = F.relu(self.p4_2(self.p4_1(x)))
            return torch.cat((p1, p2, p3, p4), dim=1)

    block.__class__ = WithoutOneReLU


def test_a_relu_that_the_model_leaves_out_is_missing_from_the_activation(model: GoogLeNet, images: Array) -> None:
    healthy = TorchModel(model).activations(images)
    _without_one_relu(model.b4.inception_4b)
    name = "b4.inception_4b.p3_1"

    faulty = TorchModel(model)

    activations = faulty.activations(images)
    assert next(layer for layer in GOOGLENET.names if not np.array_equal(activations[layer], healthy[layer])) == name
    assert activations[name].min() < 0
    np.testing.assert_array_equal(np.maximum(activations[name], 0), healthy[name])
    np.testing.assert_array_equal(faulty.layer(name, activations["b4.inception_4a"]), activations[name])


def test_a_relu_in_the_stem_that_is_left_out_is_missing_too(model: GoogLeNet, images: Array) -> None:
    model.b2.relu1 = nn.Identity()

    assert TorchModel(model).activations(images)["b2.conv1"].min() < 0


def test_a_channels_last_model_gives_nchw_arrays(model: GoogLeNet, images: Array) -> None:
    expected = TorchModel(model).activations(images)

    activations = TorchModel(_channels_last(model)).activations(images)

    assert all(array.flags.c_contiguous for array in activations.values())
    for name, array in activations.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_max_pools_are_padded_with_minus_infinity(built: TorchModel) -> None:
    negative = -1 - np.random.default_rng(13).random((2, 4, 5, 6), np.float32)

    assert built.layer("b4.inception_4a.p4_1", negative).max() < -1


def test_gradients_are_those_of_backward(model: GoogLeNet, images: Array) -> None:
    labels = np.array([10, 2])
    gradients = TorchModel(model).gradients(images, labels)

    x = torch.from_numpy(images).requires_grad_()
    logits = model(x)
    loss = (logits.logsumexp(dim=1) - logits[[0, 1], [10, 2]]).mean()
    loss.backward()

    assert gradients.loss == pytest.approx(loss.item(), rel=1e-6)
    assert list(gradients.weights) == list(GOOGLENET.parameter_shapes())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            torch.from_numpy(gradients.weights[name]), parameter.grad, rtol=1e-4, atol=1e-6, msg=name
        )
    assert x.grad is not None
    np.testing.assert_allclose(gradients.images, x.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_gradients_leave_the_model_as_it_was(model: GoogLeNet, images: Array, weights: Weights) -> None:
    TorchModel(model).gradients(images, np.array([10, 2]))

    assert all(parameter.grad is None for parameter in model.parameters())
    assert_same_bits(actual=export_weights(model), desired=weights)


def _convolution_by_hand(model: GoogLeNet, name: str, x: Tensor) -> Tensor:
    layer = GOOGLENET[name]
    assert isinstance(layer, Conv2d)
    kernel, bias = model.get_parameter(f"{name}.weight"), model.get_parameter(f"{name}.bias")
    return F.conv2d(x, kernel, bias, stride=layer.stride, padding=layer.padding).clamp(min=0)


BY_HAND: dict[str, tuple[tuple[int, ...], Callable[[GoogLeNet, str, Tensor], Tensor]]] = {
    "b1.conv": ((2, 3, 9, 8), _convolution_by_hand),
    "b2.conv1": ((2, 64, 5, 4), _convolution_by_hand),
    "b3.inception_3b.p3_2": ((2, 32, 5, 4), _convolution_by_hand),
    "b5.inception_5b.p4_2": ((2, 832, 5, 4), _convolution_by_hand),
    "b3.pool": ((2, 7, 9, 8), lambda _, __, x: F.max_pool2d(x, 3, 2, 1)),
    "b4.inception_4e.p4_1": ((2, 7, 5, 4), lambda _, __, x: F.max_pool2d(x, 3, 1, 1)),
    "b4.inception_4d": ((2, 512, 5, 4), lambda model, name, x: model.get_submodule(name)(x)),
    "b5.pool": ((2, 7, 5, 4), lambda _, __, x: x.mean(dim=(2, 3))),
    "fc": ((2, 1024), lambda model, _, x: x @ model.fc.weight.T + model.fc.bias),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_layer_gradients_are_those_of_the_layer_by_hand(name: str, model: GoogLeNet) -> None:
    shape, by_hand = BY_HAND[name]
    random = torch.Generator().manual_seed(14)
    model.double()
    x = torch.randn(shape, dtype=torch.float64, generator=random, requires_grad=True)
    y = by_hand(model, name, x)
    cotangent = torch.randn(y.shape, dtype=torch.float64, generator=random)
    parameters = dict(model.get_submodule(name).named_parameters())
    *by_parameters, by_x = torch.autograd.grad((y * cotangent).sum(), [*parameters.values(), x])

    actual = TorchModel(model).layer_gradients(name, x.detach().numpy(), cotangent.numpy())

    assert list(actual.weights) == list(parameters)
    for key, expected in zip(parameters, by_parameters, strict=True):
        np.testing.assert_allclose(actual.weights[key], expected.numpy(), rtol=1e-10, atol=1e-10, err_msg=key)
    np.testing.assert_allclose(actual.inputs, by_x.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.exhaustive
def test_layer_gradients_import_no_algebra() -> None:
    """Handed a cotangent, ``torch.autograd.grad`` imports SymPy, which takes half a second."""
    program = """
import sys
import numpy as np
from googlenet_np import init_weights
from googlenet_torch.backend import Backend
model = Backend().build(init_weights(0), "float32")
model.layer_gradients("b2.conv1", np.ones((1, 64, 3, 3), np.float32), np.ones((1, 64, 3, 3), np.float32))
print("sympy" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout == "False\n"


def test_the_cotangent_is_all_that_an_infinite_output_gets(model: GoogLeNet) -> None:
    x = np.full((1, 1024), np.inf, np.float32)
    by_weights, _ = TorchModel(model).layer_gradients("fc", x, np.ones((1, 11), np.float32))
    np.testing.assert_array_equal(by_weights["bias"], np.ones(11))


def test_predict_gives_the_logits_of_the_whole_pass(built: TorchModel, recorded: Weights) -> None:
    logits = built.predict(recorded["images"])

    assert logits.dtype == recorded["fc"].dtype
    rtol = 1e-12 if logits.dtype == np.float64 else 1e-4
    np.testing.assert_allclose(logits, recorded["fc"], rtol=rtol, atol=rtol)


def outside_of_fusion(network: Any, images: torch.Tensor) -> set[str]:
    """The operations that oneDNN Graph has not taken over; what a shape falls back to does not count."""
    return {node.kind() for node in network.graph_for(images).nodes() if node.kind().startswith("aten::")}


def fused(inference: Inference, images: torch.Tensor) -> Any:
    network = inference.compiled(images.contiguous(memory_format=torch.channels_last))
    if network is None:
        pytest.skip("this PyTorch has no oneDNN Graph")
    return network


@in_inference_mode
def test_convolutions_relus_and_pools_are_fused_for_inference(model: GoogLeNet, images: Array) -> None:
    inference = Inference(model)
    for x in (torch.from_numpy(images), torch.from_numpy(images[:1, :, :9])):  # a shape after another
        assert outside_of_fusion(fused(inference, x), x) <= {"aten::adaptive_avg_pool2d", "aten::flatten"}
        for _ in range(3):
            torch.testing.assert_close(inference(x), model(x), rtol=1e-5, atol=1e-6)


@in_inference_mode
def test_what_the_model_does_otherwise_inference_does_too(model: GoogLeNet, images: Array) -> None:
    """A ReLU that is missing, padding that is no zeros, a layer of another kind: as they stand."""
    x = torch.from_numpy(images)
    right = model(x)
    model.b1.relu = nn.Identity()
    model.b2.relu1 = nn.LeakyReLU(0.5)
    conv2: Any = model.b2.conv2
    conv2.padding_mode = "circular"
    logits = Inference(model)(x)
    torch.testing.assert_close(logits, model(x), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(logits, right, rtol=1e-3)


@in_inference_mode
def test_many_images_are_computed_some_at_a_time(model: GoogLeNet) -> None:
    from googlenet_torch.inference import Inference

    shapes = []

    class Told(Inference):
        def compiled(self, images: torch.Tensor) -> Any:
            shapes.append(tuple(images.shape))

    x = torch.rand(5, 3, 160, 400, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Told(model)(x), model(x), rtol=1e-5, atol=1e-6)
    assert shapes == [(4, 3, 160, 400), (1, 3, 160, 400)]


@in_inference_mode
def test_inference_keeps_the_weights_that_it_was_given(model: GoogLeNet, images: Array) -> None:
    x = torch.from_numpy(images)
    inference, before = Inference(model), model(x)
    nn.init.zeros_(model.fc.weight)
    for _ in range(2):
        torch.testing.assert_close(inference(x), before, rtol=1e-5, atol=1e-6)


@in_inference_mode
def test_inference_without_onednn_graph_is_the_model_in_channels_last(
    model: GoogLeNet, images: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("torch.jit.enable_onednn_fusion")
    x = torch.from_numpy(images)
    inference = Inference(model)
    assert inference.compiled(x) is None
    torch.testing.assert_close(inference(x), model(x), rtol=1e-5, atol=1e-6)


@in_inference_mode
def test_a_model_that_torchscript_cannot_have_is_run_as_it_is(
    model: GoogLeNet, images: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("cannot be traced")

    monkeypatch.setattr("torch.jit.trace", refuse)
    x = torch.from_numpy(images)
    torch.testing.assert_close(Inference(model)(x), model(x), rtol=1e-5, atol=1e-6)
    assert not torch.jit.onednn_fusion_enabled()


@in_inference_mode
def test_only_float32_is_fused(model: GoogLeNet, images: Array) -> None:
    assert Inference(model.double()).compiled(torch.from_numpy(images).double()) is None


@pytest.mark.parametrize("enabled", [True, False])
def test_inference_leaves_the_switch_for_fusion_where_it_was(model: GoogLeNet, images: Array, enabled: bool) -> None:
    torch.jit.enable_onednn_fusion(enabled)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Inference(model)(torch.from_numpy(images))
        assert torch.jit.onednn_fusion_enabled() is enabled
    finally:
        torch.jit.enable_onednn_fusion(False)


def test_a_built_model_gives_back_its_weights(built: TorchModel, frozen_weights: Weights) -> None:
    exported = built.export_weights()

    dtype = exported["fc.bias"].dtype
    assert_same_bits(actual=exported, desired={name: array.astype(dtype) for name, array in frozen_weights.items()})


def test_results_are_contiguous_and_share_no_memory(built: TorchModel, recorded: Weights) -> None:
    images = recorded["images"].astype(recorded["fc"].dtype)
    gradients = built.gradients(images, np.array([10, 2]))
    arrays = [images, *built.activations(images).values(), *gradients.weights.values(), gradients.images]

    assert {array.dtype for array in arrays} == {images.dtype}
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays)
    spans = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in arrays)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_building_and_running_leave_pytorchs_global_state_alone(frozen_weights: Weights, images: Array) -> None:
    def state() -> tuple[object, ...]:
        return (
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
        )

    before = state()

    built = Backend().build(frozen_weights, "float64")
    built.predict(images)
    with torch.no_grad():
        built.gradients(images, np.array([10, 2]))

    assert state() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda built: built.layer("b3.inception_3c", np.zeros((2, 3, 4, 5))),
        lambda built: built.layer_gradients("b3", np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 4, 5))),
    ],
    ids=["layer", "layer_gradients"],
)
def test_a_name_that_is_no_layer_is_refused(call: Callable[[TorchModel], Any], built: TorchModel) -> None:
    with pytest.raises(UnknownLayerError, match="is no layer of GoogLeNet"):
        call(built)


@pytest.mark.parametrize(
    "call",
    [
        lambda built, images: built.activations(images),
        lambda built, images: built.predict(images),
        lambda built, images: built.gradients(images, np.array([10, 2])),
    ],
    ids=["activations", "predict", "gradients"],
)
def test_images_of_other_channels_are_refused(call: Callable[[TorchModel, Array], Any], built: TorchModel) -> None:
    with pytest.raises(ImagesError, match="channels"):
        call(built, np.zeros((2, 1, *SIZE), np.float32))


@pytest.mark.parametrize("labels", [[10, 11], [-1, 0], [1], [0.5, 1.0]], ids=str)
def test_labels_that_do_not_fit_are_refused(labels: list[float], built: TorchModel, images: Array) -> None:
    with pytest.raises(ImagesError, match=r"[Ll]abel"):
        built.gradients(images, np.array(labels))


def test_a_cotangent_of_another_shape_is_refused(built: TorchModel) -> None:
    with pytest.raises(ImagesError, match=r"cotangent of 'fc' has shape \(2, 12\); expected \(2, 11\)"):
        built.layer_gradients("fc", np.zeros((2, 1024)), np.zeros((2, 12)))


@pytest.mark.parametrize("dtype", ["float16", "double", "int64"])
def test_a_dtype_that_is_not_of_the_contract_is_refused(dtype: Any, frozen_weights: Weights) -> None:
    with pytest.raises(OptionError, match="expected one of float32, float64"):
        Backend().build(frozen_weights, dtype)


def test_float64_weights_for_a_float32_model_are_refused(frozen_weights: Weights) -> None:
    with pytest.raises(WeightsError, match="losing bits"):
        Backend().build({name: array.astype(np.float64) for name, array in frozen_weights.items()}, "float32")


def test_float32_weights_do_not_fit_a_part_that_is_half(frozen_weights: Weights) -> None:
    model = GoogLeNet(11, 3)
    import_weights(model, frozen_weights)
    model.b1.half()
    with pytest.raises(WeightsError, match="2 of the 116 arrays do not fit a model of float16 without losing bits"):
        import_weights(model, {name: array + 1 for name, array in frozen_weights.items()})
    assert np.array_equal(export_weights(model)["fc.bias"], frozen_weights["fc.bias"]), "none of it was written"

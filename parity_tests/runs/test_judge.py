"""Judging from Python, in this process: every kind of subject, with the same verdict as in processes of their own."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netparity
from googlenet_np import GOOGLENET, init_weights, sample_images, save_weights
from googlenet_np.registered import REGISTERED
from netparity import BackendReport, Hyperparameters, OptionError, Status
from netparity.files.hashing import weights_sha256
from netparity.network.contract import DTYPES
from netparity.runs.case import Options, make_case
from netparity.runs.lockstep import Lockstep, make_lockstep
from netparity.testing import MissingFrameworkError
from netparity.train.start import TrainingOptions
from parity_tests.support import misbehaving
from parity_tests.support.numpy_backend import Backend
from parity_tests.support.selection import selected
from parity_tests.support.tiers import representative

SMALL: dict[str, Any] = {"batch_size": 2, "image_size": (9, 13)}
NUMPY = "parity_tests.support.numpy_backend:Backend"


def of(name: str) -> str:
    return f"parity_tests.support.misbehaving:{name}"


@pytest.fixture(scope="module")
def here(request: pytest.FixtureRequest) -> dict[str, BackendReport]:
    """What is said of backends that misbehave in one way each, in float32."""
    names = selected(request, "name") & set(MISBEHAVIOUR) | {"CannotTrain", "ReturnsViews", "ReusesOneBuffer"}
    subjects = [f"{name}={of(name)}" for name in sorted(names)]
    return {found.name: found for found in netparity.judge(subjects, dtypes=("float32",), **SMALL).backends}


def told(report: netparity.Report) -> list[Any]:
    """What is said of backends; numbers aside, whose last bits depend on how many threads there are."""
    return [
        (
            backend.name,
            backend.versions,
            [
                (result.check, result.status, [(found.name, found.status) for found in result.measurements])
                for result in backend.checks
            ],
            backend.diagnosis and (backend.diagnosis.layer, backend.diagnosis.explanations),
            backend.error_map and (backend.error_map.tensor, backend.error_map.size),
            [(seen.name, seen.message, list(seen.values)) for seen in backend.observations],
        )
        for backend in report.backends
    ]


@pytest.mark.parametrize(
    ("dtypes", "image_size"),
    representative([(("float32",), (9, 13)), (DTYPES, (17, 23))], quick=lambda case: len(case[0]) == 1),
    ids=["float32", "both"],
)
def test_the_verdict_is_the_same_as_in_a_process_of_its_own(
    dtypes: tuple[str, ...], image_size: tuple[int, int]
) -> None:
    """Of one that is right, and of one that fails, with why and where."""
    subjects = [f"right={NUMPY}", f"wrong={of('ForgetsABias')}"]
    options: dict[str, Any] = {"dtypes": dtypes, "image_size": image_size, "batch_size": 2}
    inside, outside = netparity.judge(subjects, **options), netparity.run(subjects, **options)
    assert told(inside) == told(outside)
    assert inside.settings == outside.settings
    right, wrong = inside.backends
    assert (right.status, wrong.status) == (Status.PASS, Status.FAIL)
    assert wrong.diagnosis is not None
    assert (wrong.diagnosis.layer, wrong.diagnosis.explanations) == ("b3.inception_3b.p1_1", ("bias missing",))


# Subjects


def make_backend() -> Backend:
    return Backend()


def test_a_backend_itself_is_judged() -> None:
    backend = misbehaving.CannotTrain()
    start = time.monotonic()
    (found,) = netparity.judge(backend, dtypes=("float32",), **SMALL).backends
    assert (found.name, found.status) == ("numpy", Status.PASS)
    assert found["layer gradients float32"].status is Status.SKIPPED
    assert 0 < found.seconds <= time.monotonic() - start


@pytest.mark.parametrize(
    ("subject", "name"),
    representative(
        [
            (Backend, "parity_tests.support.numpy_backend.Backend"),
            (make_backend, "parity_tests.runs.test_judge.make_backend"),
            (functools.partial(Backend), "functools.partial"),
        ],
        quick=lambda case: case[0] is Backend,
    ),
    ids=["class", "function", "callable"],
)
def test_what_makes_a_backend_is_judged(subject: Any, name: str) -> None:
    (found,) = netparity.judge(subject, dtypes=("float32",), **SMALL).backends
    assert (found.name, found.status) == (name, Status.PASS)


@pytest.mark.parametrize("subject", ["caffe", 7, None], ids=str)
def test_what_is_no_backend_is_a_sentence(subject: Any) -> None:
    with pytest.raises(OptionError, match=r"There is no backend 'caffe'|The backend is (7|None); expected a name"):
        netparity.judge(subject, **SMALL)


@pytest.mark.exhaustive
def test_a_process_of_its_own_takes_what_it_can_find() -> None:
    with pytest.raises(OptionError, match="expected a class or a function at the top of a module"):
        netparity.run(functools.partial(Backend), **SMALL)
    with pytest.raises(OptionError, match=r"There is no module 'no\.such', in which the backend 'no\.such\.B' should"):
        netparity.run("no.such:B", **SMALL)
    report = netparity.run(Backend, dtypes=("float32",), **SMALL)
    assert [(backend.name, backend.status) for backend in report.backends] == [
        ("parity_tests.support.numpy_backend.Backend", Status.PASS)
    ]


# Backends that misbehave


MISBEHAVIOUR = {
    "RaisesWhenMade": ("load", "raised RuntimeError: no device was found."),
    "NeedsMissingModule": ("load", "needs the Python module 'no_such_framework', which is not installed."),
    "RaisesInBuild": ("weights float32", "raised RuntimeError: cannot build a model of float32."),
    "RaisesHalfway": ("layers float32", "ArithmeticError: the fourth stage is beyond me."),
    "GivesObjects": ("layers float32", "gave an array of object for 'output'"),
    "ChangesItsInputs": ("end to end float32", "output array is read-only"),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_what_a_backend_raises_is_an_error_of_its_check(here: dict[str, BackendReport], name: str) -> None:
    check, words = MISBEHAVIOUR[name]
    found = here[name]
    assert (found.status, found[check].status) == (Status.ERROR, Status.ERROR)
    assert words in found[check].message


def test_what_a_backend_cannot_do_is_skipped(here: dict[str, BackendReport]) -> None:
    found = here["CannotTrain"]
    assert found.status is Status.PASS
    assert found["layer gradients float32"].status is Status.SKIPPED


def test_a_buffer_that_is_used_again_spoils_no_answer(here: dict[str, BackendReport]) -> None:
    assert here["ReturnsViews"].status is Status.PASS
    assert here["ReusesOneBuffer"]["layers float32"].status is Status.FAIL


def test_one_error_costs_nobody_else_the_verdict() -> None:
    report = netparity.judge([of("RaisesWhenMade"), NUMPY], dtypes=("float32",), **SMALL)
    assert [backend.status for backend in report.backends] == [Status.ERROR, Status.PASS]
    assert report.exit_code == 2


class Leaves(Backend):
    """It ends the program, which is not its to end."""

    def activations(self, images: Any) -> Any:
        raise SystemExit(3)


class IsInterrupted(Backend):
    def activations(self, images: Any) -> Any:
        raise KeyboardInterrupt


def test_a_backend_does_not_end_the_program() -> None:
    (found,) = netparity.judge(Leaves, dtypes=("float32",), **SMALL).backends
    assert found["shapes float32"].message == "parity_tests.runs.test_judge.Leaves raised SystemExit: 3."


def test_an_interrupt_ends_it_all() -> None:
    with pytest.raises(KeyboardInterrupt):
        netparity.judge(IsInterrupted, dtypes=("float32",), **SMALL)


# Images, labels, weights and networks


def test_arrays_and_files_say_the_same(tmp_path: Path) -> None:
    images, labels = sample_images(3, image_size=(9, 13))
    weights = init_weights(1)
    np.save(tmp_path / "images.npy", images)
    save_weights(tmp_path / "weights.safetensors", weights)
    given: dict[str, Any] = {"labels": labels, "dtypes": ("float64",)}
    arrays = netparity.judge(Backend, images, weights=weights, network=REGISTERED, **given)
    files = netparity.judge(
        Backend, tmp_path / "images.npy", weights=str(tmp_path / "weights.safetensors"), network="googlenet", **given
    )
    assert told(arrays) == told(files)
    assert arrays.backends[0].status is Status.PASS
    assert arrays.network is files.network is GOOGLENET
    assert (arrays.settings.weights, arrays.settings.images) == ("the caller", "the caller")
    assert arrays.settings.shape == (3, 1, 9, 13)
    assert json.dumps(arrays.settings.to_json())


def test_the_labels_count() -> None:
    images, _ = sample_images(2, image_size=(9, 13))
    seen: list[Any] = []

    class Listens(Backend):
        def gradients(self, images: Any, labels: Any) -> Any:
            seen.append(labels.tolist())
            return super().gradients(images, labels)

    netparity.judge(Listens, images, labels=np.array([7, 3]), dtypes=("float64",))
    netparity.judge(Listens, images, dtypes=("float64",))
    assert seen == [[7, 3], [0, 1]]
    with pytest.raises(netparity.ImagesError, match="The labels have shape"):
        netparity.judge(Listens, images, labels=np.array([7]))


@pytest.mark.exhaustive
def test_what_was_given_is_not_changed() -> None:
    images, labels = sample_images(2, image_size=(9, 13))
    weights = init_weights(0)
    before = images.copy(), {name: weight.copy() for name, weight in weights.items()}
    netparity.judge(of("ChangesItsInputs"), images, labels=labels, weights=weights, dtypes=("float32",))
    np.testing.assert_array_equal(images, before[0])
    assert images.flags.writeable
    assert all(np.array_equal(weight, before[1][name]) for name, weight in weights.items())


def test_what_is_not_given_is_the_networks_own() -> None:
    asked = []

    def init(seed: int, **options: Any) -> dict[str, np.ndarray[Any, Any]]:
        asked.append(options)
        return init_weights(seed, **options)

    network = replace(REGISTERED, init_weights=init, in_channels=3, num_classes=5, image_size=(9, 12), scheme="pytorch")
    case = make_case(Options(network=network))
    assert (case.images.shape, case.settings.num_classes, case.settings.weights) == ((16, 3, 9, 12), 5, "pytorch")
    steps = make_lockstep(Lockstep(steps=1, network=network), Hyperparameters())
    assert steps.images.shape[1] == 3
    assert set(steps.labels) <= set(range(5))
    training = TrainingOptions(network, "numpy", NUMPY, Hyperparameters(), Path("nowhere"))
    assert training.scheme == "pytorch"
    assert asked == [{"in_channels": 3, "num_classes": 5, "scheme": "pytorch"}] * 2


def test_the_order_in_which_weights_are_given_is_no_difference() -> None:
    weights = init_weights(0)
    turned = dict(reversed(weights.items()))
    cases = [make_case(Options(weights=given, batch_size=1, image_size=(9, 7))) for given in (weights, turned)]
    assert weights_sha256(cases[0].weights) == weights_sha256(cases[1].weights)


def test_a_network_that_nobody_registered_is_a_sentence() -> None:
    with pytest.raises(OptionError, match="There is no network 'no-such-net'; registered are: googlenet"):
        netparity.judge(Backend, network="no-such-net")


# Traces, from Python


@pytest.mark.exhaustive
def test_a_trace_is_recorded_and_compared(tmp_path: Path) -> None:
    trace = netparity.record(f"numpy={NUMPY}", **SMALL)
    netparity.write_trace(tmp_path / "trace.safetensors", trace.header, trace.tensors)
    kept = netparity.open_trace(tmp_path / "trace.safetensors")
    assert netparity.compare_traces(kept, trace, "bitwise").status is Status.PASS
    with pytest.raises(netparity.MissingFrameworkError) as caught:
        netparity.record(of("NeedsMissingModule"), **SMALL)
    assert isinstance(caught.value, MissingFrameworkError)

"""The benchmark: who takes part, in which order, whose answer is wrong, and what is made of the seconds.

No test here asks how long anything took.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from googlenet_np import GOOGLENET, init_weights
from googlenet_np.registered import REGISTERED
from netparity.bench import entrants, processes
from netparity.bench import measure as bench
from netparity.bench.engines import OnnxRuntime
from netparity.bench.judge import Judge
from netparity.bench.measure import TRAINING, Plan, take_turns
from netparity.bench.processes import Processes
from netparity.bench.timings import BASELINE, Benchmark, Measured, Setting, Timing, multiplication_flops
from netparity.cli import main as cli
from netparity.network.errors import OptionError
from netparity.show import bench as bench_export
from netparity.show import bench_plot
from netparity.system import memory
from netparity.verdict.findings import Status
from netparity.workers import backends as registry
from netparity.workers import stopwatch
from netparity.workers.backends import Subject
from netparity.workers.client import Worker
from netparity.workers.process import WorkerProcess
from netparity.workers.replies import BackendError, Reply
from netparity.workers.transport import Shelf
from parity_tests.support.backends import BACKENDS, load
from parity_tests.support.command import LIMIT
from parity_tests.support.numpy_backend import Backend as NumPyBackend
from parity_tests.support.selection import selected
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

SMALL = Setting(3, (17, 23))
TRAINED = Setting(3, (17, 23), training=True)


def subject(name: str, *, required: bool = True, module: str = "parity_tests.bench.ways_backend") -> Subject:
    return Subject(name, f"{module}:{name}", required=required)


def plan(*settings: Setting, rounds: int = 1, **options: Any) -> Plan:
    return Plan(settings or (SMALL,), rounds, threads=1, **({"seconds": 0.0, "settle": 0.0} | options))


def run_bench(subjects: Sequence[Subject], plan: Plan) -> Benchmark:
    return bench.run_bench(REGISTERED, subjects, plan)


class Calls(NamedTuple):
    label: str
    method: str
    values: dict[str, Any]


@pytest.fixture(scope="module")
def calls() -> Iterator[list[Calls]]:
    """Every call to a worker; no engine takes part, and the matrices of the processor's limit are small."""
    made: list[Calls] = []

    class Recorded(Worker):
        def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
            made.append(Calls(self.label, method, values))
            return super().call(method, arrays, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "Worker", Recorded)
        patch.setattr(bench, "PRODUCT", 32)
        patch.setattr(entrants, "ENGINES", ())
        patch.setattr(registry, "registered_backends", dict)
        yield made


# The seconds


def timing(*seconds: float, backend: str = "b", way: str = "w", setting: Setting = SMALL, **others: Any) -> Timing:
    return Timing(backend, "1.0", way, setting, seconds=seconds, **others)


def test_median_spread_and_rates() -> None:
    found = timing(0.5, 4.0, 1.0, setting=Setting(32))
    assert found.median == 1.0
    assert found.spread == (0.5, 4.0)
    assert found.images_per_second == 32
    assert Benchmark(GOOGLENET, ()).flops_per_second(found) == 32 * 2 * 276_066_304


def test_what_was_not_timed_has_no_numbers() -> None:
    found = timing(status=Status.FAIL)
    assert (found.median, found.spread, found.images_per_second) == (None,) * 3
    assert Benchmark(GOOGLENET, ()).flops_per_second(found) is None
    assert found.ratio_to(timing(1.0)) is None
    assert timing(1.0).ratio_to(found) is None
    assert timing(1.0).ratio_to(None) is None


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """And not the ratio of the medians, which is 1 here: a slow round slows both."""
    assert timing(1.0, 2.0, 3.0).ratio_to(timing(3.0, 1.0, 2.0)) == pytest.approx(2 / 3)


def test_operations_of_a_training_step() -> None:
    """Three passes' worth, less the gradient by the images: 64 kernels of 7×7 at 48×48 places."""
    step = Setting(1, training=True).flops(GOOGLENET)
    assert step == 2 * (3 * 276_066_304 - 64 * 49 * 48 * 48)
    assert Setting(8, training=True).flops(GOOGLENET) == 8 * step


def test_the_limit_is_the_fastest_product() -> None:
    assert multiplication_flops(10, [4.0, 0.5, 1.0]) == 2 * 10**3 / 0.5
    found = timing(1.0, setting=Setting(2))
    share = Benchmark(GOOGLENET, (), limit=4e9).share_of_limit(found)
    assert share == pytest.approx(4 * 276_066_304 / 4e9)
    assert Benchmark(GOOGLENET, ()).share_of_limit(found) is None


# Turns


def test_everyone_has_a_turn_in_every_round_and_every_second_round_goes_back() -> None:
    asked: list[str] = []

    def turn(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    taken, errors = take_turns("abc", 3, turn)
    assert "".join(asked) == "abccbaabc"
    assert taken == {"a": (1, 6, 7), "b": (2, 5, 8), "c": (3, 4, 9)}
    assert errors == {}


def test_who_falls_out_takes_nobody_along() -> None:
    asked: Counter[str] = Counter()

    def turn(name: str) -> float:
        asked[name] += 1
        if name == "b" and asked["b"] == 2:
            raise BackendError("tired")
        return 1.0

    taken, errors = take_turns("abc", 3, turn)
    assert taken == {"a": (1, 1, 1), "c": (1, 1, 1)}, "what was measured of b by then is not compared with the others"
    assert str(errors["b"]) == "tired"
    assert asked == {"a": 3, "b": 2, "c": 3}


# The clock


class Watched:
    """A way, and what it was given."""

    def __init__(self) -> None:
        self.given: list[Array] = []

    def __call__(self, images: Array) -> Array:
        self.given.append(images)
        return images


def test_each_call_gets_numbers_of_its_own_and_the_first_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    watched = Watched()
    images = np.random.default_rng(0).random((2, 1, 5, 7), np.float32)
    took = stopwatch.ForwardWay(lambda: watched).time(images, np.zeros(2, np.int64), 3.0)
    assert took == [1, 1, 1], "as long as the clock says"
    assert len(watched.given) == 4
    assert len({array.tobytes() for array in watched.given}) == 4
    assert len({id(array) for array in watched.given} | {id(images)}) == 5


def test_steps_are_timed_together_after_one_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 19.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    lengths: list[int] = []

    def steps(batches: Any) -> list[float]:
        lengths.append(len(batches))
        return []

    images = np.zeros((2, 1, 5, 7), np.float32)
    assert stopwatch.TrainingWay(lambda: steps).time(images, np.zeros(2, np.int64), 5.0) == [3.0]
    assert lengths == [1, 3]


def test_products_are_timed_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert stopwatch.time_multiplication(4, 2.0) == [1, 1]


def test_peak_memory_is_this_programs_own(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t  1234 kB\nVmRSS:\t 5 kB\n")
    assert memory.peak_memory(status) == 1234 * 1024
    assert memory.peak_memory(tmp_path / "none") > 2**20


def test_a_model_without_ways_has_those_of_the_contract() -> None:
    model = NumPyBackend().build(init_weights(0), "float32")
    assert list(stopwatch.forward_ways(model)) == ["predict"]
    assert list(stopwatch.training_ways(model, TRAINING)) == ["train"]


# A run


def by_way(measured: Measured) -> dict[str, Timing]:
    return {f"{timing.backend} {timing.way}": timing for timing in measured.timings}


NOT_TIMED = {
    "Backend wrong": (Status.FAIL, "logits uses "),
    "Backend keeps its first answer": (Status.FAIL, "logits uses "),
    "Backend wrong when it counts": (Status.FAIL, "logits uses "),
    "Backend raises": (Status.ERROR, "Backend raises raised ArithmeticError: no way."),
    "Backend dies": (Status.ERROR, "Backend dies was killed by SIGKILL"),
    "Backend dies in its turn": (Status.ERROR, "Backend dies in its turn was killed by SIGKILL"),
    "Backend cannot": (Status.SKIPPED, "there is no compiler"),
}
NOT_TRAINED = {
    "Backend does not train": (Status.FAIL, "the step before has not trained"),
    "Backend another loss": (Status.FAIL, "loss uses "),
    "Backend says nothing": (Status.FAIL, "losses has shape (0,), expected (2,)"),
}
TIMED = ("Backend predict", "Backend right", "Alone predict")
TRAINING_TIMED = ("Backend train", "Backend right", "Alone train")
ALWAYS = (*TIMED, *TRAINING_TIMED, "Backend wrong", "Backend dies in its turn", "Backend does not train")
ALL = (*TIMED, *TRAINING_TIMED, *NOT_TIMED, *NOT_TRAINED)


class Found(NamedTuple):
    """A run, the calls of it, and the ways of :class:`parity_tests.bench.ways_backend.Backend` that took part."""

    benchmark: Benchmark
    calls: list[Calls]
    ways: set[str]

    def of(self, labels: Iterable[str]) -> list[str]:
        """Those of these labels whose way took part."""
        return [label for label in labels if label.partition(" ")[2] in self.ways]


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, calls: list[Calls]) -> Found:
    """The ways that tests ask for, and a backend that names none, in two rounds."""
    labels = selected(request, "way").union(ALWAYS)
    ways = tuple(dict.fromkeys(label.partition(" ")[2] for label in ALL if label in labels))
    del calls[:]
    benchmark = run_bench([subject("Backend"), subject("Alone")], plan(SMALL, TRAINED, rounds=2, ways=ways))
    return Found(benchmark, calls.copy(), set(ways))


@pytest.mark.parametrize(
    ("place", "way", "status", "words"),
    representative(
        [
            *((0, way, *expected) for way, expected in NOT_TIMED.items()),
            *((1, way, *expected) for way, expected in NOT_TRAINED.items()),
        ],
        quick=lambda case: case[1] in {*ALWAYS, "Backend cannot"},
    ),
)
def test_a_way_that_is_wrong_or_fails_has_no_speed(
    found: Found, place: int, way: str, status: Status, words: str
) -> None:
    timed = by_way(found.benchmark.measured[place])[way]
    assert timed.status is status
    assert words in timed.message
    assert (timed.seconds, timed.peak_memory) == ((), None)


@pytest.mark.parametrize(
    "way",
    representative(["Backend wrong", "Backend keeps its first answer", "Backend does not train"], quick=ALWAYS),
)
def test_a_fast_wrong_answer_is_never_timed(found: Found, way: str) -> None:
    assert (way, "begin") in {(call.label, call.method) for call in found.calls}
    assert (way, "time") not in {(call.label, call.method) for call in found.calls}


@pytest.mark.parametrize(("place", "way"), [*((0, way) for way in TIMED), *((1, way) for way in TRAINING_TIMED)])
def test_the_others_are_timed_all_the_same(found: Found, place: int, way: str) -> None:
    timed = by_way(found.benchmark.measured[place])[way]
    assert (timed.status, timed.message, timed.version) == (Status.PASS, "", np.__version__)
    assert len(timed.seconds) == 2
    assert all(seconds > 0 for seconds in timed.seconds)
    assert timed.first_call is not None
    assert timed.first_call > 0
    assert timed.peak_memory is not None
    assert timed.peak_memory > 2**20


def test_a_run_says_where_and_how_it_was(found: Found) -> None:
    made = found.benchmark
    assert made.environment["load"] >= 0
    assert made.environment["numpy"] == np.__version__
    options = {"rounds": 2, "threads": 1, "seconds": 0.0, "settle": 0.0, "timeout": 600.0}
    assert {name: value for name, value in made.options.items() if name != "ways"} == options
    assert set(made.options["ways"]) == found.ways
    assert made.limit is not None
    assert made.exit_code == 1, "there are wrong answers"


def test_nobody_else_is_there(found: Found) -> None:
    forward, training = map(by_way, found.benchmark.measured)
    assert list(forward) == found.of(["Backend predict", "Backend right", *NOT_TIMED, "Alone predict"])
    assert list(training) == found.of(["Backend train", "Backend right", *NOT_TRAINED, "Alone train"])


def test_ways_begin_one_by_one_and_then_take_turns(found: Found) -> None:
    calls = found.calls
    there = found.of(
        [
            "Backend predict",
            "Backend right",
            "Backend wrong when it counts",
            "Backend dies in its turn",
            "Alone predict",
        ]
    )
    survivors = [way for way in there if way != "Backend dies in its turn"]
    last = max(place for place, call in enumerate(calls) if call == ("Alone predict", "begin", call.values))
    forward = calls[: calls.index(next(call for call in calls if call.label == "Alone train"))]
    turns = [call.label for call in forward if call.method in ("time", "multiply")]
    assert not any(call.method in ("time", "multiply") for call in calls[:last])
    assert turns == [*there, "processor", "processor", *survivors[::-1]]


@pytest.mark.exhaustive
def test_each_way_has_a_process_and_its_threads(calls: list[Calls], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    started: list[tuple[str, int, str]] = []

    class Started(WorkerProcess):
        def __init__(self, label: str, *arguments: Any, **options: Any) -> None:
            variables = options["variables"]
            started.append((label, options["threads"], variables["OMP_NUM_THREADS"]))
            assert Path(variables["TMPDIR"]).is_dir()
            super().__init__(label, *arguments, **options)

    monkeypatch.setattr(processes, "WorkerProcess", Started)
    run_bench([subject("Alone")], plan(SMALL, Setting(1, (17, 23))))
    assert started == [
        (label, 1, "1") for label in ("Alone", "Alone predict", "processor", "Alone predict", "processor")
    ]


def test_a_large_batch_repeats_images_and_all_of_its_answers_are_judged() -> None:
    judge = Judge(REGISTERED, init_weights(0), (17, 23), 4)
    setting = Setting(10, (17, 23))
    images, labels = judge.batch(10)
    assert images.shape == (10, 1, 17, 23)
    np.testing.assert_array_equal(images[4:8], images[:4])
    np.testing.assert_array_equal(labels[4:8], labels[:4])
    logits = NumPyBackend().build(init_weights(0), "float32").predict(images)
    assert judge.check(setting, logits).status is Status.PASS
    logits[9] = logits[0]
    assert judge.check(setting, logits).status is Status.FAIL


# Who is missing


@pytest.mark.exhaustive
def test_a_backend_that_is_missing_is_skipped_unless_it_was_named(calls: list[Calls]) -> None:
    missing = subject("NeedsMissingModule", required=False, module="parity_tests.support.misbehaving")
    result = run_bench([missing, subject("Alone")], plan())
    assert [timed.status for timed in result.measured[0].timings] == [Status.SKIPPED, Status.PASS]
    assert "'no_such_framework', which is not installed" in result.measured[0].timings[0].message
    assert result.exit_code == 0
    named = subject("NeedsMissingModule", module="parity_tests.support.misbehaving")
    result = run_bench([named, subject("Alone")], plan())
    assert [timed.status for timed in result.measured[0].timings] == [Status.ERROR, Status.PASS]
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("statuses", "required", "code"),
    [
        ("pass", True, 0),
        ("pass skipped error", True, 0),
        ("pass fail", True, 1),
        ("fail error", True, 1),
        ("error", False, 2),
        ("error skipped", True, 2),
        ("skipped", True, 2),
        ("skipped", False, 0),
    ],
)
def test_exit_codes(statuses: str, required: bool, code: int) -> None:
    timings = tuple(timing(way=status, status=Status(status)) for status in statuses.split())
    engine = timing(backend=BASELINE, status=Status.ERROR)
    measured = (Measured(SMALL, (timing(1.0, backend="other"),)), Measured(TRAINED, (*timings, engine)))
    assert Benchmark(GOOGLENET, measured, required=frozenset({"b"} if required else ())).exit_code == code


@pytest.mark.exhaustive
def test_a_backend_none_of_whose_ways_works_ends_with_2(calls: list[Calls]) -> None:
    result = run_bench([subject("Useless"), subject("Alone")], plan())
    assert [timed.status for timed in result.measured[0].timings] == [Status.ERROR, Status.PASS]
    assert result.exit_code == 2


def test_who_gives_no_answer_is_ended(tmp_path: Path) -> None:
    closed: list[bool] = []

    class Silent:
        label = "mute"

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(BackendError, match=r"mute gave no answer within 0\.01 s and was ended\."):
        Processes(tmp_path, Shelf(tmp_path), 1, timeout=0.01).ask(Silent(), Future())  # type: ignore[arg-type]
    assert closed == [True]


# Engines


@pytest.fixture
def engines(calls: list[Calls], monkeypatch: pytest.MonkeyPatch) -> None:
    there = Subject(BASELINE, "parity_tests.bench.ways_backend:Runtime")
    missing = Subject("openvino", "parity_tests.support.misbehaving:NeedsMissingModule")
    monkeypatch.setattr(entrants, "ENGINES", (there, missing))


def engine_timings(measured: Measured) -> list[tuple[str, str, Status, int]]:
    return [(timed.backend, timed.version, timed.status, len(timed.seconds)) for timed in measured.timings]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("engines")
def test_an_engine_runs_what_a_backend_writes() -> None:
    result = run_bench([subject("Alone"), subject("Writer")], plan(rounds=2))
    assert engine_timings(result.measured[0])[2:] == [
        (BASELINE, "1.2.3", Status.PASS, 2),
        ("openvino", "", Status.SKIPPED, 0),
    ]
    baseline = result.measured[0].baseline
    assert baseline is not None
    assert baseline.ratio_to(baseline) == 1
    assert result.measured[0].timings[0].ratio_to(baseline) is not None
    assert result.exit_code == 0


@pytest.mark.exhaustive
@pytest.mark.usefixtures("engines")
def test_a_backend_that_takes_no_part_may_write_for_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered_backends", lambda: {"writer": "parity_tests.bench.ways_backend:Writer"})
    result = run_bench([subject("Alone")], plan())
    assert engine_timings(result.measured[0])[0][0] == "Alone"
    assert engine_timings(result.measured[0])[1] == (BASELINE, "1.2.3", Status.PASS, 1)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("engines")
def test_without_anybody_who_writes_an_engine_is_skipped() -> None:
    result = run_bench([subject("Alone")], plan())
    assert result.measured[0].timings[1].message == f"{BASELINE}: {entrants.NO_EXPORT}."
    assert result.measured[0].timings[1].status is Status.SKIPPED
    assert result.measured[0].baseline is None
    assert result.exit_code == 0


@pytest.mark.exhaustive
@pytest.mark.usefixtures("engines")
def test_engines_do_not_train() -> None:
    result = run_bench([subject("Writer")], plan(TRAINED))
    assert [timed.backend for timed in result.measured[0].timings] == ["Writer"]


# What is made of it


@pytest.fixture
def benchmark() -> Benchmark:
    """As in a run: 2 s and 1 s a call beside 1 s, in a table with something of everything."""
    setting = Setting(32)
    timings = (
        timing(2.0, 2.0, 1.0, backend="torch", way="eager", setting=setting, first_call=3.25, peak_memory=5 * 2**20),
        timing(backend="torch", way="torch.compile", setting=setting, status=Status.FAIL, message="all [red]wrong[/]"),
        timing(1.0, 1.0, 1.0, backend=BASELINE, way="predict", setting=setting),
        timing(backend="openvino", way="predict", setting=setting, status=Status.SKIPPED, message="not here"),
    )
    trained = Measured(Setting(8, (224, 224), training=True), (timing(4.0, backend="mx", way="hybridized"),))
    options = {"rounds": 3, "threads": 2}
    measured = (Measured(setting, timings), trained)
    return Benchmark(GOOGLENET, measured, 1e11, frozenset({"torch"}), {"processor": "A & B"}, options)


def printed(found: Benchmark) -> list[str]:
    out = StringIO()
    bench_export.print_benchmark(Console(file=out, width=80), found)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_table(benchmark: Benchmark) -> None:
    lines = printed(benchmark)
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in lines}
    assert "inference, batch 32, 1×96×96" in lines
    assert "training, batch 8, 1×224×224" in lines
    assert rows["torch eager"] == ["2000", "25%", "16", "9", "9%", "0.50", "5", "3.2"]
    assert rows["torch torch.compile"] == ["fail"]
    assert rows["openvino predict"] == ["–"]
    assert rows["onnxruntime predict"][5:] == ["1.00", "–", "–"]
    assert "fail all [red]wrong[/]" in lines, "as it is, and no markup"
    assert "skipped not here" in lines
    words = " ".join(" ".join(lines).split())
    assert "torch 1.0, onnxruntime 1.0, mx 1.0; rounds: 3, threads: 2, A & B. Its limit: 100 GFLOP/s" in words
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("load", "told"), [(0.2, False), (3.14, True)])
def test_a_machine_that_does_other_work_is_told_of(load: float, told: bool) -> None:
    found = Benchmark(GOOGLENET, (Measured(SMALL, (timing(1.0),)),), environment={"load": load, "cores": 2})
    words = " ".join(" ".join(printed(found)).split())
    sentence = "busy the load was 3.1 on 2 cores before the run: other work may have taken part in these times."
    assert (sentence in words) is told


def test_the_table_without_a_limit_or_a_time() -> None:
    found = Benchmark(GOOGLENET, (Measured(SMALL, (timing(status=Status.ERROR, message="died"),)),))
    words = " ".join(printed(found))
    assert "nothing timed" in words
    assert "Its limit" not in words


def test_the_json(benchmark: Benchmark, tmp_path: Path) -> None:
    bench_export.write_json(tmp_path / "bench.json", benchmark)
    document = json.loads((tmp_path / "bench.json").read_text())
    assert (document["format"], document["format_version"]) == ("netparity benchmark", 1)
    assert document["environment"] == {"processor": "A & B"}
    assert document["options"] == {"rounds": 3, "threads": 2}
    assert document["limit"]["flops_per_second"] == 1e11
    assert document["exit_code"] == benchmark.exit_code == 1
    inference, training = document["settings"]
    assert (inference["batch_size"], inference["image_size"], inference["training"]) == (32, [96, 96], False)
    assert inference["flops"] == 64 * 276_066_304
    assert (inference["baseline"], training["baseline"]) == (BASELINE, None)
    eager, compiled = inference["ways"][:2]
    assert eager == {
        "backend": "torch",
        "version": "1.0",
        "way": "eager",
        "status": "pass",
        "message": "",
        "seconds": [2.0, 2.0, 1.0],
        "median": 2.0,
        "spread": [1.0, 2.0],
        "images_per_second": 16.0,
        "flops_per_second": 32 * 276_066_304,
        "share_of_limit": 32 * 276_066_304 / 1e11,
        "ratio_to_baseline": 0.5,
        "peak_memory": 5 * 2**20,
        "first_call": 3.25,
    }
    assert (compiled["status"], compiled["seconds"], compiled["median"]) == ("fail", [], None)


def test_the_plot(benchmark: Benchmark, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "bench.svg"
    bench_plot.plot_benchmark(benchmark, path)
    drawn = path.read_text()
    for words in ("torch eager", "onnxruntime predict", "mx hybridized", "inference, batch 32, 1×96×96"):
        assert words in drawn
    assert "torch.compile" not in drawn
    bench_plot.plot_benchmark(benchmark, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == path.read_bytes()


def test_what_cannot_be_drawn(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"ends in '\.gif'; expected \.svg, \.png, \.pdf"):
        bench_plot.check_plot(Path("bench.gif"))
    pytest.importorskip("matplotlib")
    with pytest.raises(OptionError, match="No way was timed"):
        bench_plot.plot_benchmark(Benchmark(GOOGLENET, (Measured(SMALL, (timing(),)),)), tmp_path / "bench.svg")


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["netparity", "bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return int(exit_.value.code or 0)

    yield run
    signal.signal(signal.SIGTERM, handler)


def test_options_reach_the_benchmark(
    command: Callable[..., int], benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def run(registered: Any, subjects: Any, plan: Plan, listener: Any) -> Benchmark:
        asked.extend((registered, subjects, plan))
        return benchmark

    monkeypatch.setattr(bench, "run_bench", run)
    options = ("--batch-size", 4, "--batch-size", 2, "--image-size", 9, 31, "--rounds", 7, "--threads", 3)
    more = ("--seconds", 0.25, "--timeout", 50, "--training", "--json", tmp_path / "bench.json")
    assert command("a=b:C", "d=e:F", *options, *more) == benchmark.exit_code == 1
    registered, subjects, planned = asked
    assert registered is REGISTERED
    assert [(one.name, one.target, one.required) for one in subjects] == [("a", "b:C", True), ("d", "e:F", True)]
    settings = (Setting(4, (9, 31), training=True), Setting(2, (9, 31), training=True))
    assert planned == Plan(settings, 7, 3, 0.25, timeout=50)
    assert json.loads((tmp_path / "bench.json").read_text())["format"] == "netparity benchmark"


def test_without_options_all_that_is_registered_runs_in_four_batches(
    command: Callable[..., int], benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(registered: Any, subjects: Any, plan: Plan, listener: Any) -> Benchmark:
        asked.extend((registered, subjects, plan))
        return benchmark

    monkeypatch.setattr(bench, "run_bench", run)
    monkeypatch.setattr(registry, "registered_backends", lambda: {"torch": "a:B"})
    command()
    assert asked[1] == [Subject("torch", "a:B")]
    assert asked[2].settings == tuple(Setting(size) for size in (1, 8, 32, 128))


def test_inference_and_training_in_one_run_and_some_ways_of_them(
    command: Callable[..., int], benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(registered: Any, subjects: Any, plan: Plan, listener: Any) -> Benchmark:
        asked.append(plan)
        return benchmark

    monkeypatch.setattr(bench, "run_bench", run)
    command("a=b:C", "--batch-size", 2, "--training", "--inference", "--way", "predict", "--way", "train")
    assert asked[0].settings == (Setting(2), Setting(2, training=True))
    assert asked[0].ways == ("predict", "train")


@pytest.mark.exhaustive
@pytest.mark.usefixtures("calls")
def test_only_the_ways_that_are_asked_for_are_measured() -> None:
    subjects = registry.choose(["a=parity_tests.bench.ways_backend:Backend", "b=parity_tests.bench.ways_backend:Alone"])
    plan = Plan((SMALL,), rounds=1, threads=1, seconds=0, settle=0, ways=("right",))
    (measured,) = run_bench(subjects, plan).measured
    of_backends = [(timing.backend, timing.way) for timing in measured.timings if timing.backend in "ab"]
    assert of_backends == [("a", "right")]
    with pytest.raises(OptionError, match=r"No backend has a way named 'fast'; known here: .*right.*train"):
        run_bench(subjects, dataclasses.replace(plan, ways=("right", "fast")))


def test_a_wrong_ending_is_told_of_before_anything_is_measured(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "run_bench", lambda *_: pytest.fail("measured"))
    assert command("a=b:C", "--plot", "bench.gif") == 2
    assert "expected .svg, .png, .pdf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    representative(
        [
            (signal.SIGINT, 130, "Interrupted; every process that was started has been ended.\n"),
            (signal.SIGTERM, 143, ""),
        ],
        quick=lambda case: case[0] == signal.SIGINT,
    ),
)
def test_a_benchmark_that_is_told_to_stop_leaves_nothing_behind(
    tmp_path: Path, sent: signal.Signals, code: int, words: str
) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    options = ("--training", "--batch-size", "1", "--image-size", "9", "7", "--rounds", "1000000")
    process = subprocess.Popen(
        [sys.executable, "-m", "netparity", "bench", "a=parity_tests.bench.ways_backend:Alone", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + LIMIT
    while len(list(tmp_path.glob("netparity-*/*/*"))) < 3:  # until the ways have begun
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit, f"no way has begun within the test's limit of {LIMIT:g} s"
        time.sleep(0.1)
    process.send_signal(sent)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, err) == (code, "", words)
    assert list(tmp_path.iterdir()) == []


# The frameworks: each way once, in this process


@pytest.mark.parametrize(
    ("setting", "name"),
    representative(
        itertools.product([SMALL, TRAINED], BACKENDS), quick=lambda case: case[1] == "torch" and not case[0].training
    ),
    ids=[f"{kind}-{name}" for kind, name in itertools.product(["inference", "training"], BACKENDS)],
)
def test_every_way_of_every_framework_gives_the_right_answer(
    name: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for ``torch.compile``, which compiles for a minute, and which a benchmark judges before it times it."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    weights = init_weights(0)
    judge = Judge(REGISTERED, weights, setting.image_size, setting.batch_size)
    backend = load(name)
    answered = []
    for way in _ways(backend.build(weights, "float32"), setting):
        # A model for each: the contract's own training leaves other weights behind.
        make = _ways(backend.build(weights, "float32"), setting)[way]
        if way == "torch.compile":
            with pytest.raises(NotImplementedError, match="there is no 'no-such-compiler'"):
                make()
            continue
        timed = stopwatch.TrainingWay(make) if setting.training else stopwatch.ForwardWay(make)
        checked = judge.check(setting, timed.answer(*judge.batch(setting.batch_size)))
        assert checked.status is Status.PASS, f"{way}: {checked.message}"
        assert len(timed.time(*judge.batch(setting.batch_size), 0.0)) == 1
        answered.append(way)
    assert len(answered) >= 3


def _ways(model: Any, setting: Setting) -> Mapping[str, Callable[[], Any]]:
    return stopwatch.training_ways(model, TRAINING) if setting.training else stopwatch.forward_ways(model)


def test_onnx_runtime_runs_what_pytorch_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    weights = init_weights(0)
    model: Any = load("torch").build(weights, "float32")
    model.export_onnx(tmp_path / "network.onnx")
    engine = OnnxRuntime()
    assert next(iter(engine.versions())) == "onnxruntime"
    judge = Judge(REGISTERED, weights, SMALL.image_size, SMALL.batch_size)
    answer = engine.open(tmp_path / "network.onnx").predict(judge.batch(SMALL.batch_size)[0])
    assert judge.check(SMALL, answer).status is Status.PASS

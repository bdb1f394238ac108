"""The pytest plugin in other people's suites: what the fixture does, shows, skips, and costs who does not use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import netparity.testing.assertions  # noqa: F401 – pytester forgets what its runs import, and would import it by halves
from netparity.files.trace import open_trace
from netparity.testing import update_golden
from parity_tests.support.command import LIMIT
from parity_tests.support.interpreter import register

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "netparity.testing.plugin", "-p", "no:xdist", "-p", "no:hypothesispytest")

SUITE = """
    import pytest

    @pytest.mark.parametrize("backend", [{backends}])
    def test_it(parity, backend):
        parity(backend, golden="kept/numpy.safetensors", batch_size=2, image_size=(9, 13){options})
"""
NUMPY = "parity_tests.support.numpy_backend:Backend"
WRONG = "parity_tests.support.misbehaving:ShiftsOneLayer"
MISSING = "one=parity_tests.support.misbehaving:NeedsMissingModule"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite whose tests lie in a folder of their own, with a golden that they may make."""
    pytester.mkdir("tests")
    return pytester


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--parity-update`` makes of the NumPy backend, as the first test below sees it do; not to be changed."""
    path = tmp_path_factory.mktemp("goldens") / "numpy.safetensors"
    update_golden(NUMPY, path, batch_size=2, image_size=(9, 13))
    return path


@pytest.fixture
def kept(suite: pytest.Pytester, golden: Path) -> None:
    """The suite has its golden already."""
    suite.mkdir("tests/kept")
    shutil.copy(golden, suite.path / "tests" / "kept" / "numpy.safetensors")


def write(suite: pytest.Pytester, *backends: str, options: str = "") -> None:
    source = SUITE.format(backends=", ".join(map(repr, backends)), options=options and f", {options}")
    suite.makepyfile(**{"tests/test_numbers": source})


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_inprocess(*PLUGIN, *arguments)


def test_a_golden_is_written_and_then_compared_with(suite: pytest.Pytester) -> None:
    write(suite, NUMPY)
    result = run(suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*FileError: There is no golden 'tests/kept/numpy.safetensors'. *: pytest 'tests/*' --parity-update",
        ]
    )
    result = run(suite, "--parity-update")
    result.assert_outcomes(passed=1)
    path = suite.path / "tests" / "kept" / "numpy.safetensors"
    result.stdout.fnmatch_lines(
        ["tests/kept/numpy.safetensors: written, * bytes of parity_tests.support.numpy_backend.*"]
    )
    assert open_trace(path).sampled
    before = path.read_bytes()
    result = run(suite)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= netparity =*")
    assert path.read_bytes() == before


@pytest.mark.usefixtures("kept")
def test_a_failure_names_the_layer_and_shows_the_test_alone(suite: pytest.Pytester) -> None:
    write(suite, WRONG)
    result = run(suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       parity(backend, golden=*",
            "E       AssertionError: b3.inception_3b.p1_1 of *.misbehaving.ShiftsOneLayer * is not what *",
            "E         b3.inception_3b.p1_1 differs by 0.01, * at (*, *, *, *); *",
            "E         against the float64 reference: fail layers float32: b3.inception_3b.p1_1 uses *",
            "E         If the new numbers are the right ones: pytest 'tests/test_numbers.py::*' --parity-update",
            "tests/test_numbers.py:5: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    result.stdout.no_fnmatch_line("*testing.py*")


@pytest.mark.exhaustive
def test_a_golden_of_wrong_numbers_is_written_with_a_warning(suite: pytest.Pytester) -> None:
    write(suite, WRONG)
    result = run(suite, "--parity-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*Mind that its b3.inception_3b.p1_1 alone is further from the float64 reference than rounding can be."]
    )


JITTER = """
    from parity_tests.support.numpy_backend import Backend

    class Later(Backend):
        '''A later version of a library, which sums in another order, say.'''

        def versions(self):
            return {"numpy": "99.0"}

        def before_activation(self, layer, inputs):
            output = super().before_activation(layer, inputs)
            return output * (1 + 2.0**-22) if layer.name == "b4.inception_4a.p2_2" else output
"""


@pytest.mark.exhaustive
@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_other_bits_that_rounding_explains_pass_and_are_shown(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Also of a backend in the folder of the tests, which pytest alone puts on the path."""
    suite.makepyfile(**{"tests/later": JITTER})
    write(suite, "later:Later")
    result = suite.runpytest_subprocess(*PLUGIN[:2], *workers)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= netparity =*",
            "tests/kept/numpy.safetensors: later.Later 99.0 gives other bits in * of 201 tensors, *4a.p2_2 first; *",
        ]
    )
    result.stdout.fnmatch_lines(
        ["*; rounding explains them (at most 0.* of what it allows, *). backend: * now; numpy: * before, 99.0 now*"]
    )


@pytest.mark.exhaustive
def test_without_a_golden_the_reference_judges(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("backend", ["{NUMPY}", "{WRONG}"])
        def test_it(parity, backend):
            parity(backend, batch_size=2, image_size=(9, 13), dtype="float32")
        """
    )
    result = run(suite)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E*b3.inception_3b.p1_1 of parity_tests.support.misbehaving.ShiftsOneLayer is not what the*"]
    )


@pytest.mark.exhaustive
def test_a_pass_with_skipped_checks_says_so(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_it(parity):
            backend = "some=parity_tests.support.misbehaving:CannotCallSome"
            parity(backend, batch_size=2, image_size=(9, 13), dtype="float32")
        """
    )
    result = run(suite)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["some passes, and was not judged by *layers float32*: *"])


@pytest.mark.exhaustive
def test_paths_are_relative_to_the_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        **{
            "tests/test_files": f"""
            import numpy as np

            def test_it(parity, request):
                np.save(request.path.parent / "images.npy", np.ones((2, 1, 9, 13), np.float32))
                kept = parity("{NUMPY}", golden="golden.safetensors", images="images.npy", require="bitwise")
                assert kept.header["settings"]["images"] == "tests/images.npy"
            """
        }
    )
    run(suite, "--parity-update").assert_outcomes(passed=1)
    assert (suite.path / "tests" / "golden.safetensors").exists()


def test_a_missing_framework_is_a_skip_that_names_it(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETPARITY_BACKENDS", raising=False)
    write(suite, MISSING)
    result = run(suite, "--parity-update", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*backend 'one': one needs the Python module 'no_such_framework'*"])


def test_a_missing_framework_that_is_asked_for_is_a_failure(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETPARITY_BACKENDS", "torch,one")
    write(suite, MISSING)
    result = run(suite, "--parity-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["NETPARITY_BACKENDS names the backend 'one': one needs the Python module*"])


# What it costs those who do not use it


def test_it_imports_nothing_until_the_fixture_is_called(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import sys

        def test_it(parity):
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"numpy", "torch", "tensorflow", "mxnet", "safetensors", "rich", "googlenet_np"}
            assert {name for name in sys.modules if name.startswith(("googlenet", "netparity"))} == {
                "netparity", "netparity.system", "netparity.system.lazy",
                "netparity.testing", "netparity.testing.plugin",
            }
        """
    )
    result = suite.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= netparity =*")


@pytest.mark.exhaustive
def test_an_entry_point_and_a_request_load_it_once(tmp_path: Path) -> None:
    """pytest knows a plugin by its name; under two names it would refuse to start."""
    register(tmp_path, "somebody", "netparity.testing.plugin")
    entry_points = next(tmp_path.glob("*.dist-info")) / "entry_points.txt"
    name = "netparity.testing.plugin"
    entry_points.write_text(f"[pytest11]\n{name} = {name}\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it(parity): pass\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    for request in ([], ["-p", name]):
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *request, "--parity-update"],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "1 passed" in ran.stdout

"""Do implementations of a neural network, in several frameworks or versions, compute the same, and if not, where?

>>> import netparity
>>> report = netparity.judge("torch")  # in this process; netparity.run gives each backend a process of its own
>>> print(report.verdict)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from netparity.compare.comparison import Comparison, Difference, compare_traces
    from netparity.compare.recording import MissingFrameworkError, RecordingError, record
    from netparity.diagnosis.explain import diagnose
    from netparity.diagnosis.training_mistakes import diagnose_training
    from netparity.files.conversion import Conversion, convert
    from netparity.files.inspection import Inspection, TensorRow, inspect_file
    from netparity.files.trace import Trace, open_trace, write_trace
    from netparity.network.contract import (
        Backend,
        Batch,
        BenchmarkedModel,
        BuiltModel,
        DType,
        ExportableModel,
        Gradients,
        Hyperparameters,
        JoiningBackend,
        LayerGradients,
        OptimizerState,
        Step,
        check_dtype,
    )
    from netparity.network.errors import (
        DataError,
        FileError,
        ImagesError,
        NetparityError,
        OptionError,
        UnknownLayerError,
        WeightsError,
    )
    from netparity.network.kinds import Concat, Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d
    from netparity.network.kinds.precisions import PRECISIONS
    from netparity.network.layout import (
        cnhw_to_nchw,
        hwio_to_oihw,
        in_out_to_out_in,
        nchw_to_cnhw,
        nchw_to_nhwc,
        nhwc_to_nchw,
        oihw_to_hwio,
        out_in_to_in_out,
    )
    from netparity.network.network import IMAGES, LayerRow, Network
    from netparity.network.operations import softmax_cross_entropy
    from netparity.network.reference import before_activation, forward, forward_and_gradients, gradients
    from netparity.network.registered import RegisteredNetwork, default_network, find_network
    from netparity.network.settings import CaseSettings
    from netparity.network.weights import check_weights, weights_like
    from netparity.runs.case import Case, Options, make_case
    from netparity.runs.judge import judge, run
    from netparity.runs.lockstep import Lockstep, make_lockstep
    from netparity.system.progress import ProgressListener
    from netparity.verdict.bounds import FLOAT64_GATE, UNIT_ROUNDOFF, Bound, confidence, gamma, probable_gamma
    from netparity.verdict.checks import measure_layer
    from netparity.verdict.findings import Check, CheckKind, CheckResult, Measurement, Status
    from netparity.verdict.ground_truth import GroundTruth
    from netparity.verdict.layer_gradients import layer_gradient_truth
    from netparity.verdict.report import BackendReport, Diagnosis, Report
    from netparity.verdict.tensors import measure_bound
    from netparity.verdict.training_truth import TrainingTruth
    from netparity.workers.backends import find_backend, make_backend, registered_backends
else:  # pytest loads the plugin, and with it this package, in every run; and the command prepares NumPy's import
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = [
    "FLOAT64_GATE",
    "IMAGES",
    "PRECISIONS",
    "UNIT_ROUNDOFF",
    "Backend",
    "BackendReport",
    "Batch",
    "BenchmarkedModel",
    "Bound",
    "BuiltModel",
    "Case",
    "CaseSettings",
    "Check",
    "CheckKind",
    "CheckResult",
    "Comparison",
    "Concat",
    "Conv2d",
    "Conversion",
    "DType",
    "DataError",
    "Dense",
    "Diagnosis",
    "Difference",
    "ExportableModel",
    "FileError",
    "GlobalAvgPool2d",
    "Gradients",
    "GroundTruth",
    "Hyperparameters",
    "ImagesError",
    "Inspection",
    "JoiningBackend",
    "Layer",
    "LayerGradients",
    "LayerRow",
    "Lockstep",
    "MaxPool2d",
    "Measurement",
    "MissingFrameworkError",
    "NetparityError",
    "Network",
    "OptimizerState",
    "OptionError",
    "Options",
    "ProgressListener",
    "RecordingError",
    "RegisteredNetwork",
    "Report",
    "Status",
    "Step",
    "TensorRow",
    "Trace",
    "TrainingTruth",
    "UnknownLayerError",
    "WeightsError",
    "before_activation",
    "check_dtype",
    "check_weights",
    "cnhw_to_nchw",
    "compare_traces",
    "confidence",
    "convert",
    "default_network",
    "diagnose",
    "diagnose_training",
    "find_backend",
    "find_network",
    "forward",
    "forward_and_gradients",
    "gamma",
    "gradients",
    "hwio_to_oihw",
    "in_out_to_out_in",
    "inspect_file",
    "judge",
    "layer_gradient_truth",
    "make_backend",
    "make_case",
    "make_lockstep",
    "measure_bound",
    "measure_layer",
    "nchw_to_cnhw",
    "nchw_to_nhwc",
    "nhwc_to_nchw",
    "oihw_to_hwio",
    "open_trace",
    "out_in_to_in_out",
    "probable_gamma",
    "record",
    "registered_backends",
    "run",
    "softmax_cross_entropy",
    "weights_like",
    "write_trace",
]

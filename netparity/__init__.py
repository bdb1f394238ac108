"""Do implementations of a neural network, in several frameworks or versions, compute the same, and if not, where?

>>> import netparity
>>> report = netparity.judge("torch")  # in this process; netparity.run gives each backend a process of its own
>>> print(report.verdict)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netparity.system.lazy import lazy

if TYPE_CHECKING:  # each name as itself, which makes it public for type checkers
    from netparity.compare.comparison import Comparison as Comparison
    from netparity.compare.comparison import Difference as Difference
    from netparity.compare.comparison import compare_traces as compare_traces
    from netparity.compare.recording import MissingFrameworkError as MissingFrameworkError
    from netparity.compare.recording import RecordingError as RecordingError
    from netparity.compare.recording import record as record
    from netparity.diagnosis.explain import diagnose as diagnose
    from netparity.diagnosis.training_mistakes import diagnose_training as diagnose_training
    from netparity.files.conversion import Conversion as Conversion
    from netparity.files.conversion import convert as convert
    from netparity.files.inspection import Inspection as Inspection
    from netparity.files.inspection import TensorRow as TensorRow
    from netparity.files.inspection import inspect_file as inspect_file
    from netparity.files.trace import Trace as Trace
    from netparity.files.trace import open_trace as open_trace
    from netparity.files.trace import write_trace as write_trace
    from netparity.network.contract import Backend as Backend
    from netparity.network.contract import Batch as Batch
    from netparity.network.contract import BenchmarkedModel as BenchmarkedModel
    from netparity.network.contract import BuiltModel as BuiltModel
    from netparity.network.contract import DType as DType
    from netparity.network.contract import ExportableModel as ExportableModel
    from netparity.network.contract import Gradients as Gradients
    from netparity.network.contract import Hyperparameters as Hyperparameters
    from netparity.network.contract import JoiningBackend as JoiningBackend
    from netparity.network.contract import LayerGradients as LayerGradients
    from netparity.network.contract import OptimizerState as OptimizerState
    from netparity.network.contract import Step as Step
    from netparity.network.contract import check_dtype as check_dtype
    from netparity.network.errors import DataError as DataError
    from netparity.network.errors import FileError as FileError
    from netparity.network.errors import ImagesError as ImagesError
    from netparity.network.errors import NetparityError as NetparityError
    from netparity.network.errors import OptionError as OptionError
    from netparity.network.errors import UnknownLayerError as UnknownLayerError
    from netparity.network.errors import WeightsError as WeightsError
    from netparity.network.kinds import Concat as Concat
    from netparity.network.kinds import Conv2d as Conv2d
    from netparity.network.kinds import Dense as Dense
    from netparity.network.kinds import GlobalAvgPool2d as GlobalAvgPool2d
    from netparity.network.kinds import Layer as Layer
    from netparity.network.kinds import MaxPool2d as MaxPool2d
    from netparity.network.kinds.precisions import PRECISIONS as PRECISIONS
    from netparity.network.layout import hwio_to_oihw as hwio_to_oihw
    from netparity.network.layout import in_out_to_out_in as in_out_to_out_in
    from netparity.network.layout import nchw_to_nhwc as nchw_to_nhwc
    from netparity.network.layout import nhwc_to_nchw as nhwc_to_nchw
    from netparity.network.layout import oihw_to_hwio as oihw_to_hwio
    from netparity.network.layout import out_in_to_in_out as out_in_to_in_out
    from netparity.network.network import IMAGES as IMAGES
    from netparity.network.network import LayerRow as LayerRow
    from netparity.network.network import Network as Network
    from netparity.network.operations import softmax_cross_entropy as softmax_cross_entropy
    from netparity.network.reference import before_activation as before_activation
    from netparity.network.reference import forward as forward
    from netparity.network.reference import forward_and_gradients as forward_and_gradients
    from netparity.network.reference import gradients as gradients
    from netparity.network.registered import RegisteredNetwork as RegisteredNetwork
    from netparity.network.registered import default_network as default_network
    from netparity.network.registered import find_network as find_network
    from netparity.network.settings import CaseSettings as CaseSettings
    from netparity.network.weights import check_weights as check_weights
    from netparity.network.weights import weights_like as weights_like
    from netparity.runs.case import Case as Case
    from netparity.runs.case import Options as Options
    from netparity.runs.case import make_case as make_case
    from netparity.runs.judge import judge as judge
    from netparity.runs.judge import run as run
    from netparity.runs.lockstep import Lockstep as Lockstep
    from netparity.runs.lockstep import make_lockstep as make_lockstep
    from netparity.system.progress import ProgressListener as ProgressListener
    from netparity.verdict.bounds import FLOAT64_GATE as FLOAT64_GATE
    from netparity.verdict.bounds import UNIT_ROUNDOFF as UNIT_ROUNDOFF
    from netparity.verdict.bounds import Bound as Bound
    from netparity.verdict.bounds import confidence as confidence
    from netparity.verdict.bounds import gamma as gamma
    from netparity.verdict.bounds import probable_gamma as probable_gamma
    from netparity.verdict.checks import measure_layer as measure_layer
    from netparity.verdict.findings import Check as Check
    from netparity.verdict.findings import CheckKind as CheckKind
    from netparity.verdict.findings import CheckResult as CheckResult
    from netparity.verdict.findings import Measurement as Measurement
    from netparity.verdict.findings import Status as Status
    from netparity.verdict.ground_truth import GroundTruth as GroundTruth
    from netparity.verdict.layer_gradients import layer_gradient_truth as layer_gradient_truth
    from netparity.verdict.report import BackendReport as BackendReport
    from netparity.verdict.report import Diagnosis as Diagnosis
    from netparity.verdict.report import Report as Report
    from netparity.verdict.tensors import measure_bound as measure_bound
    from netparity.verdict.training_truth import TrainingTruth as TrainingTruth
    from netparity.workers.backends import find_backend as find_backend
    from netparity.workers.backends import make_backend as make_backend
    from netparity.workers.backends import registered_backends as registered_backends
else:  # pytest loads the plugin, and with it this package, in every run; and the command prepares NumPy's import
    __getattr__, __dir__ = lazy(__name__, __file__)

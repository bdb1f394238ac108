"""A training from its first step to its last: epochs, evaluation, history, checkpoints, and going on after a stop.

Where several processes train together, each has a :class:`Run` of its own, over its shard of the batches; the first
alone tests and writes, and the others wait for it at the next step.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import Batch, BuiltModel, Hyperparameters, OptimizerState, Step
from googlenet_np.batches import Batches
from googlenet_np.errors import GoogLeNetError, OptionError
from googlenet_np.files import atomic_write
from googlenet_parity import checkpoint as checkpoints
from googlenet_parity.checkpoint import Checkpoint, Progress

__all__ = ["CHECKPOINT", "HISTORY", "DivergedError", "Listener", "Run", "evaluate"]

Array = npt.NDArray[Any]

CHECKPOINT, HISTORY = "checkpoint.safetensors", "history.jsonl"


class DivergedError(GoogLeNetError):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Progressed:
    """Where a training is, for whoever shows it.

    Attributes:
        epoch: The one under way, from 1 on.
        step: Steps of it that are done.
        loss, accuracy: Means over its images so far.
        images_per_second: Of this epoch, since it began or went on.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    images_per_second: float


Listener = Callable[[Progressed], None]


@dataclass
class Run:
    """One training.

    Attributes:
        model: To be trained; it holds the weights to begin with.
        hyperparameters: Of the optimiser and the loss.
        training, test: The data; of several processes, each has its shard of the former.
        folder: An existing one, where the checkpoint and the history are kept.
        settings: What the run was started with, for the history; on resuming, what must be as it was.
        progress: How far it is.
        state: The optimiser's; None at first.
        history: A record for each whole epoch.
        changed: Which software is another than when the run began, in words: its bits may be others, too.
        stop: Set to true, by a signal handler for instance, it ends the run behind the step under way.
    """

    model: BuiltModel
    hyperparameters: Hyperparameters
    training: Batches
    test: Batches
    folder: Path
    settings: dict[str, Any]
    progress: Progress = field(default_factory=Progress)
    state: OptimizerState | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    stop: bool = False

    def epochs(self, count: int, listener: Listener | None = None) -> Iterator[dict[str, Any]]:
        """Trains until ``count`` epochs are whole or :attr:`stop` is set; gives each epoch's record when it is saved.

        Raises:
            DivergedError: The loss is NaN or infinite; the last checkpoint stays.
            FileError: A file cannot be written.
        """
        while self.progress.epoch < count and not self.stop:
            self._train_epoch(listener)
            if self.progress.step == len(self.training):
                yield self._finish_epoch()

    def save(self) -> None:
        """Writes the checkpoint and the history, if this is the first process."""
        assert self.state is not None
        weights = self.model.export_weights()
        if not all(np.isfinite(array).all() for array in [*weights.values(), *self.state.arrays.values()]):
            raise DivergedError(
                f"The weights are not finite after step {self.progress.step or len(self.training)} of epoch "
                f"{self.progress.epoch + (self.progress.step > 0)}: the training has diverged; try a lower --lr."
            )
        if self.training.rank:
            return
        history = [self.settings, *self.history]
        with atomic_write(self.folder / HISTORY) as file:
            file.write("".join(json.dumps(record) + "\n" for record in history).encode())
        checkpoints.save(
            self.folder / CHECKPOINT, Checkpoint(weights, self.state, self.progress, self.settings, self.history)
        )

    def _train_epoch(self, listener: Listener | None) -> None:
        """The rest of an epoch, or as much of it as comes before :attr:`stop`."""
        before = self.progress
        sums = [before.loss, before.correct]
        steps = images = 0
        start = time.monotonic()

        def batches() -> Iterator[Batch]:
            for batch in self.training.epoch(before.epoch, start=before.step):
                yield batch
                if self.stop:
                    return

        def stepped(step: Step) -> None:
            nonlocal steps, images
            steps, images = steps + 1, images + step.images
            sums[0] += step.loss * step.images
            sums[1] += step.accuracy * step.images
            if not np.isfinite(step.loss):
                raise DivergedError(
                    f"The loss is {step.loss} at step {before.step + steps} of epoch {before.epoch + 1}: "
                    f"the training has diverged; try a lower --lr."
                )
            if listener:
                seen = images + before.step * self.training.batch_size
                speed = images / (time.monotonic() - start)
                listener(Progressed(before.epoch + 1, before.step + steps, sums[0] / seen, sums[1] / seen, speed))

        self.state = self.model.train(batches(), self.hyperparameters, state=self.state, listener=stepped)
        seconds = before.seconds + time.monotonic() - start
        self.progress = Progress(before.epoch, before.step + steps, sums[0], sums[1], seconds)
        if self.progress.step < len(self.training):
            self.save()

    def _finish_epoch(self) -> dict[str, Any]:
        count = len(self.training.images)
        done = self.progress
        record = {
            "epoch": done.epoch + 1,
            "train_loss": done.loss / count,
            "train_accuracy": done.correct / count,
            "test_accuracy": None if self.training.rank else evaluate(self.model, self.test),
            "seconds": round(done.seconds, 2),
            "images_per_second": round(count / done.seconds, 1),
        }
        self.history.append(record)
        self.progress = Progress(done.epoch + 1)
        self.save()
        return record

    @classmethod
    def resumed(cls, model: BuiltModel, saved: Checkpoint, settings: Mapping[str, Any], **given: Any) -> Run:
        """A run that goes on from a checkpoint; ``model`` holds its weights, and ``given`` is as of the class.

        It keeps the settings that it began with; where the versions of ``settings`` are others, they are noted beside.
        """
        kept = dict(saved.settings)
        old, new = kept.get("versions", {}), settings["versions"]
        changed = [f"{name} {old.get(name)} then, {new[name]} now" for name in new if old.get(name) != new[name]]
        if changed:
            since = {"epoch": saved.progress.epoch, "step": saved.progress.step, "versions": new}
            kept["went_on"] = [*kept.get("went_on", []), since]
        return cls(
            model,
            settings=kept,
            changed=changed,
            progress=saved.progress,
            state=saved.state,
            history=list(saved.history),
            **given,
        )

    @staticmethod
    def check_settings(saved: Checkpoint, settings: Mapping[str, Any]) -> None:
        """Raises unless a training with these settings may go on from the checkpoint.

        Raises:
            OptionError: With everything that has changed.
        """
        old, new = (_settled(chosen) for chosen in (saved.settings, settings))
        differing = [
            f"{key} was {_word(old.get(key))}, now {_word(new.get(key))}"
            for key in {**old, **new}
            if old.get(key) != new.get(key)
        ]
        if differing:
            raise OptionError(f"A training goes on only with what it began with: {'; '.join(differing)}.")


SETTLED = ("backend", "batch_size", "image_size", "seed", "limit", "init", "dtype", "precision", "data")
"""Settings that may not change when a training goes on."""


def _settled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings, and each hyperparameter."""
    return {key: settings[key] for key in SETTLED if key in settings} | settings.get("hyperparameters", {})


def _word(value: Any) -> str:
    if value is None:
        return "not given"
    return f"{value:g}" if isinstance(value, float) else str(value)


def evaluate(model: BuiltModel, batches: Batches) -> float:
    """Share of the images whose largest logit is the label's."""
    right = sum(int((model.predict(images).argmax(axis=1) == labels).sum()) for images, labels in batches)
    return right / len(batches.images)


def settings_of(backend: str, hyperparameters: Hyperparameters, **others: Any) -> dict[str, Any]:
    """The first line of a history."""
    return {
        "format": "googlenet-parity history",
        "format_version": 1,
        "backend": backend,
        "hyperparameters": asdict(hyperparameters),
        **others,
    }

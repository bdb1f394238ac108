"""A training from its first step to its last: epochs, evaluation, history, checkpoints, and how it goes on.

Where several processes train together, each has a :class:`Run` of its own, over its shard of the batches; the first
alone tests and writes, and the others wait for it at the next step.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netparity.files import checkpoint as checkpoints
from netparity.files.checkpoint import Checkpoint, Progress
from netparity.files.disk import atomic_write
from netparity.network.contract import Batch, BuiltModel, Hyperparameters, OptimizerState, Step
from netparity.network.errors import NetparityError, OptionError
from netparity.network.registered import Batches
from netparity.system.progress import ProgressListener

CHECKPOINT, HISTORY = "checkpoint.safetensors", "history.jsonl"


class DivergedError(NetparityError):
    """The loss, or a weight, is not a finite number."""


@dataclass
class Run:
    """One training.

    Attributes:
        model: The model to train, with the weights to begin with.
        hyperparameters: Those of the optimiser and the loss.
        training, test: The data; of several processes, each has its shard of the former.
        folder: An existing one, where the checkpoint and the history are kept.
        settings: What the run was started with, for the history; on resuming, what must be as it was.
        progress: How far it is.
        state: The optimiser's; None at first.
        history: A record for each whole epoch.
        changed: Which software is another than when the run began, in words: its bits may be others, too.
        stop: Set to true, by a signal handler for example, it ends the run after the step under way.
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

    def epochs(self, count: int, listener: ProgressListener | None = None) -> Iterator[dict[str, Any]]:
        """Trains until ``count`` epochs are whole or :attr:`stop` is set; gives each epoch's record when it is saved.

        Args:
            count: Epochs in all, with those of before.
            listener: Called after each step, with the steps of all epochs, and with the epoch's means so far.

        Raises:
            DivergedError: The loss, or a weight, is not a finite number; the last checkpoint stays.
            FileError: A file cannot be written.
        """
        while self.progress.epoch < count and not self.stop:
            self._train_epoch(count, listener)
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
        with atomic_write(self.folder / HISTORY) as file:
            file.write("".join(json.dumps(record) + "\n" for record in [self.settings, *self.history]).encode())
        saved = Checkpoint(weights, self.state, self.progress, self.settings, self.history)
        checkpoints.save(self.folder / CHECKPOINT, saved)

    def _train_epoch(self, count: int, listener: ProgressListener | None) -> None:
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
            if listener and not self.stop:
                seen = images + before.step * self.training.batch_size
                done, each = before.step + steps, len(self.training)
                words = (
                    f"loss {sums[0] / seen:.3f}  accuracy {sums[1] / seen:.3f}  "
                    f"{images / (time.monotonic() - start):.0f} images/s"
                )
                what = f"{'testing' if done == each else 'epoch'} {before.epoch + 1}/{count}"
                listener(self.settings["backend"], before.epoch * each + done, count * each, f"{what}  {words}")

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

    def resume(self, saved: Checkpoint) -> None:
        """Goes on from a checkpoint, whose weights the model holds already.

        The run keeps the settings that it began with; where the versions are others now, they are noted beside.
        """
        kept = dict(saved.settings)
        old, new = kept.get("versions", {}), self.settings["versions"]
        self.changed = [f"{name} {old.get(name)} then, {new[name]} now" for name in new if old.get(name) != new[name]]
        if self.changed:
            since = {"epoch": saved.progress.epoch, "step": saved.progress.step, "versions": new}
            kept["went_on"] = [*kept.get("went_on", []), since]
        self.settings, self.progress, self.state, self.history = kept, saved.progress, saved.state, list(saved.history)


SETTLED = ("backend", "batch_size", "image_size", "seed", "limit", "init", "dtype", "precision", "data")
"""Settings that may not change when a training goes on; nor may a hyperparameter."""


def check_settings(saved: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raises unless a training that began with the saved settings may go on with others.

    Raises:
        OptionError: With everything that has changed.
    """
    old, new = (
        {key: chosen[key] for key in SETTLED if key in chosen} | chosen.get("hyperparameters", {})
        for chosen in (saved, settings)
    )
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if differing:
        words = "; ".join(f"{key} was {_word(old.get(key))}, now {_word(new.get(key))}" for key in differing)
        raise OptionError(f"A training goes on only with what it began with: {words}.")


def _word(value: Any) -> str:
    if value is None:
        return "not given"
    return f"{value:g}" if isinstance(value, float) else str(value)


def evaluate(model: BuiltModel, batches: Batches) -> float:
    """Share of the images whose largest logit is the label's."""
    right = sum(int((model.predict(images).argmax(axis=1) == labels).sum()) for images, labels in batches)
    return right / len(batches.images)

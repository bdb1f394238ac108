"""A step of training by ``netparity train`` beside the plain ways of each framework.

"ours" goes through the backend's ``train``, as the command does, with all that it tells of a step. Each way has a
process of its own, and they take turns; a step is 128 images of 1 x 96 x 96, in float32.

Run: python benchmarks/training.py [torch] [tf] [mx]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from timing import interleaved, print_ratios

BATCH_SIZE = 128
STEPS = 10
ROUNDS = 5
LR = 0.01

WAYS = {
    "torch": ("eager", "channels-last"),
    "tf": ("eager", "tf.function", "keras fit"),
    "mx": ("eager", "hybridized", "hybridized, default threads"),
}


def main() -> None:
    """Prints the ratios of one run."""
    for framework in sys.argv[1:] or WAYS:
        ways = ("ours", *WAYS[framework])
        processes = {way: _start(framework, way) for way in ways}
        print(f"== {framework}, {STEPS} steps of {BATCH_SIZE} images")
        seconds = interleaved({way: partial(_ask, process) for way, process in processes.items()}, ROUNDS)
        best = min(ways[1:], key=lambda way: sorted(seconds[way])[ROUNDS // 2])
        print_ratios(seconds, best, {"ours": 1.0})
        for process in processes.values():
            process.communicate()


def _start(framework: str, way: str) -> subprocess.Popen[str]:
    cores = str(os.cpu_count() or 1)
    threads = {} if way.endswith("default threads") else {"OMP_NUM_THREADS": cores}
    process = subprocess.Popen(
        [sys.executable, __file__, "--way", framework, way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=threads | os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    _ask(process)  # compiled, if it compiles
    return process


def _ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    print("go", file=process.stdin, flush=True)
    if not process.stdout.readline():
        raise RuntimeError("A process has ended before it had done its steps.")


def serve(framework: str, way: str) -> None:
    """The process of one way: so many steps for every line that it reads."""
    random = np.random.default_rng(0)
    images = random.random((BATCH_SIZE, 1, 96, 96), np.float32)
    labels = random.integers(0, 10, BATCH_SIZE)
    steps = _ours(framework, images, labels) if way == "ours" else globals()[f"_{framework}"](way, images, labels)
    for _ in sys.stdin:
        steps()
        print("done", flush=True)


def _ours(framework: str, images: Any, labels: Any) -> Callable[[], object]:
    from googlenet_np import init_weights
    from netparity import Hyperparameters
    from netparity.system.allocator import keep_freed_memory

    keep_freed_memory()  # as the command does
    model = import_module(f"googlenet_{framework}.backend").Backend().build(init_weights(0), "float32")
    batches = [(images, labels)] * STEPS
    return lambda: model.train(batches, Hyperparameters(lr=LR), listener=lambda step: None)


def _torch(way: str, images: Any, labels: Any) -> Callable[[], object]:
    import torch

    from googlenet_torch import GoogLeNet

    layout = torch.channels_last if way == "channels-last" else torch.contiguous_format
    model = GoogLeNet().to(memory_format=layout)  # type: ignore[call-overload]  # missing in the stubs
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, y = torch.from_numpy(images).to(memory_format=layout), torch.from_numpy(labels)

    def steps() -> None:
        for _ in range(STEPS):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return steps


def _tf(way: str, images: Any, labels: Any) -> Callable[[], object]:
    import tensorflow as tf

    from googlenet_tf import GoogLeNet

    model = GoogLeNet()
    optimizer = tf.keras.optimizers.SGD(LR)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = tf.constant(images.transpose(0, 2, 3, 1)), tf.constant(labels)
    if way == "keras fit":
        model.compile(optimizer, loss, jit_compile=False)
        data = tf.data.Dataset.from_tensors((x, y)).repeat(STEPS)
        return lambda: model.fit(data, verbose=0)

    def step() -> None:
        with tf.GradientTape() as tape:
            value = loss(y, model(x))
        optimizer.apply_gradients(
            zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
        )

    run = tf.function(step) if way == "tf.function" else step

    def steps() -> None:
        for _ in range(STEPS):
            run()

    return steps


def _mx(way: str, images: Any, labels: Any) -> Callable[[], object]:
    from googlenet_mx import GoogLeNet

    # isort: split
    import mxnet as mx
    from mxnet import autograd, gluon

    model = GoogLeNet()
    model.initialize()
    if way != "eager":
        model.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": LR})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    x, y = mx.nd.array(images), mx.nd.array(labels)

    def steps() -> None:
        for _ in range(STEPS):
            with autograd.record():
                value = loss(model(x), y)
            value.backward()
            trainer.step(BATCH_SIZE)
        mx.nd.waitall()

    return steps


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        serve(*sys.argv[2:])
    else:
        main()

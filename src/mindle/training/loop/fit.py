"""The training loop.

Everything that acts on the weights stands in `_Training`, in the order in which it acts: draw, augment, mix,
forward, loss, backward, clip, step, average; then evaluate, keep the best, checkpoint. The randomness of a
step derives from (seed, epoch, step) alone, so that a killed run goes on with the numbers that it would
have had.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from mindle.errors import ModelError
from mindle.messages import message
from mindle.training.device import wait_for
from mindle.training.loop.average import Average, changing_tensors, put
from mindle.training.loop.batches import Batch, batches, draw
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.checkpoint import CHECKPOINT_SECONDS, EPOCH_CHECKPOINT_SECONDS, Progress, Saver
from mindle.training.loop.job import Job, TrainingContext, TrainingData
from mindle.training.loop.loss import Loss, class_weights, evaluate
from mindle.training.loop.machine import interruptible, trimmed
from mindle.training.loop.objectives import CLASSIFICATION, Objective
from mindle.training.loop.optimizer import build_optimizer, rate_factor
from mindle.training.recipe import Recipe


def fit(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    context: TrainingContext | None = None,
    *,
    objective: Objective = CLASSIFICATION,
    callbacks: Sequence[Callback] = (),
    later: int = 0,
) -> Progress:
    """Train a model in place; it ends on the CPU, in eval mode, with the best weights.

    Args:
        model: Maps uint8 (image, height, width, channel) to logits (image, class); its method
            `logits_from_floats` takes floats (image, channel, height, width) in [0, 1] instead.
        data: Training and validation images with their labels.
        recipe: How to train; its `train` and `augment` parts are used.
        context: Seed, device, folder of the checkpoint, deadline and listener. Fewer epochs are planned where
            all would not end before the deadline, and the run stops before it.
        objective: What is minimised, and measured beside it.
        callbacks: Watch, and may stop the run.
        later: How many images must still be answered before the deadline once the training is over.

    Returns:
        How the run went: among its counters the history, the best epoch and why it stopped.

    Raises:
        ValueError: If labels and images disagree in number, or nothing can be trained.
        ModelError: If the loss stops being a number.
        ArtifactError: If the checkpoint is damaged or of another run.
        KeyboardInterrupt: On Ctrl-C, after a checkpoint of the last full step.

    Example:
        >>> import numpy as np
        >>> from mindle.models.classifier import ClassScores, layers_model
        >>> from mindle.records import InputSpec
        >>> from mindle.training.settings import TrainSettings
        >>> spec = InputSpec(height=4, width=4, colour="gray", mean=(0.5,), std=(0.5,))
        >>> layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
        >>> net = layers_model(layers, ClassScores(("dark", "light")), spec=spec, seed=0)
        >>> images = np.repeat(np.array([30, 220], np.uint8), 8)[:, None, None, None].repeat(16, 1)
        >>> images, labels = images.reshape(16, 4, 4, 1), np.repeat([0, 1], 8)
        >>> recipe = Recipe(train=TrainSettings(epochs=5, learning_rate=0.1))
        >>> data = TrainingData(train=images, train_labels=labels, val=images, val_labels=labels)
        >>> fit(net, data, recipe).history[-1]["val_accuracy"]
        1.0
    """
    labelled = replace(
        data,
        train_labels=objective.labels(data.train_labels),
        val_labels=objective.labels(data.val_labels),
    )
    job = Job(
        model=model,
        data=labelled,
        recipe=recipe,
        context=context or TrainingContext(),
        objective=objective,
        later=later,
    )
    with trimmed(model, job.context.device), interruptible() as interrupted:
        result = _Training(job, callbacks, interrupted).run()
    _place(model, torch.device("cpu"), torch.contiguous_format)
    model.eval()
    return result


class _Training:
    """One run of the loop, from top to bottom: the step, what is seen of it, the end of an epoch."""

    def __init__(self, job: Job, callbacks: Sequence[Callback], interrupted: threading.Event) -> None:
        self.job, self.callbacks, self.interrupted = job, callbacks, interrupted
        self.clock = job.context.deadline.spent
        _place(job.model, job.context.device, job.layout)
        self.optimizer = build_optimizer(job.model, job.settings)
        self.trainable = [p for p in job.model.parameters() if p.requires_grad]
        self.loss_of = Loss(job.objective, job.settings, self.trainable, class_weights(job))
        self.average = Average(job.model, job.settings)
        # Sums over an epoch: loss, measure, images. Apple's MPS knows no float64.
        wide = torch.float32 if job.context.device.type == "mps" else torch.float64
        self.totals = torch.zeros(3, dtype=wide, device=job.context.device)
        self.progress = Progress(epochs=job.settings.epochs)
        self.saver = Saver(
            job=job,
            optimizer=self.optimizer,
            average=self.average,
            totals=self.totals,
            progress=self.progress,
        )
        self.state = FitState(model=job.model, progress=self.progress, steps_per_epoch=job.steps_per_epoch)
        # For a card that is not there, `torch.manual_seed` keeps a traceback: 0.4 ms in every step.
        on_cpu = job.context.device.type == "cpu"
        self.seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        self.evaluation_seconds = 0.0

    def run(self) -> Progress:
        """Train to the end, from the checkpoint where there is one."""
        progress, job = self.progress, self.job
        if not (job.context.resume and self.saver.restore()):
            progress.epochs = _affordable_epochs(job)
            self.saver.save()  # so that a run that goes on does not decide again
        self.began = self.clock() - progress.seconds
        for callback in self.callbacks:
            callback.on_start(self.state)
        while progress.epoch < progress.epochs and not progress.stopped:
            self.epoch_began = self.clock() - progress.epoch_seconds
            self._steps()
            self._end_epoch()
        put(changing_tensors(job.model), self.saver.best)
        for callback in self.callbacks:
            callback.on_end(self.state)
        return progress

    def _steps(self) -> None:
        """The steps of the open epoch that are still to be made."""
        progress, job = self.progress, self.job
        job.model.train()
        began = self.clock()
        for batch in batches(job, progress.epoch, progress.step, progress.epochs):
            moved = self._step(batch)
            seconds, began = self.clock() - began, self.clock()
            if _is_short(job, seconds, self.evaluation_seconds):
                self.state.stop(message("training.stopped.time"))
            if progress.stopped:
                return
            if moved and (self.interrupted.is_set() or self.saver.due(after=CHECKPOINT_SECONDS)):
                progress.epoch_seconds = self.clock() - self.epoch_began
                self._save()

    def _step(self, batch: Batch) -> bool:
        """One step; whether the weights moved, which they do not while gradients are summed."""
        job, progress, settings, state = self.job, self.progress, self.job.settings, self.state
        state.rate = _rate(job, progress, progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = state.rate * group["share"]
        self.seed(draw(job.context.seed, progress.epoch, progress.step, 1))  # for dropout
        with job.precision():
            logits = _logits(job.model, batch.images)  # (image, class)
            loss = self.loss_of(logits, batch.targets)
        torch.autograd.backward((loss + self.loss_of.penalty()) / settings.grad_accum_steps)
        state.batch, state.batch_loss = batch, loss.detach()
        for callback in self.callbacks:
            callback.on_gradients(state)
        progress.step += 1
        moves = progress.step % settings.grad_accum_steps == 0 or progress.step == job.steps_per_epoch
        done = progress.epoch * job.steps_per_epoch + progress.step
        if moves:
            if settings.clip_grad_norm:
                nn.utils.clip_grad_norm_(self.trainable, settings.clip_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.after_step(done - 1)
        # ---- what is seen of it
        measured = job.objective.tally(logits.detach(), batch.targets)
        # `new_full` is filled on the device; a tensor made of a number would be copied there, and waited for.
        count = self.totals.new_full((), len(logits))
        self.totals += torch.stack([loss.detach() * len(logits), measured, count])
        state.loss = _mean_loss(job, self.totals, state)
        for callback in self.callbacks:
            callback.on_step(state)
        job.context.listener.progress("train", done, progress.epochs * job.steps_per_epoch)
        return moves

    def _end_epoch(self) -> None:
        """Evaluate, keep the best, say how it went, and keep a checkpoint."""
        progress, job = self.progress, self.job
        self.average.after_epoch(progress.epoch, progress.epochs)
        row = self._evaluated()
        progress.history.append(row)
        self._adapt()
        job.context.listener.epoch(row)
        for callback in self.callbacks:
            callback.on_epoch(self.state)
        self.totals.zero_()
        progress.epoch, progress.step, progress.epoch_seconds = progress.epoch + 1, 0, 0.0
        ends = bool(progress.stopped) or progress.epoch == progress.epochs
        if ends or self.interrupted.is_set() or self.saver.due(after=EPOCH_CHECKPOINT_SECONDS):
            self._save()

    def _evaluated(self) -> dict[str, Any]:
        """The row of the history; the weights are remembered where they are the best so far."""
        progress, job = self.progress, self.job
        began = self.clock()
        with self.average.in_place():
            val_loss, val_measure = evaluate(job)
            # Accuracies are often equal, and then the loss decides.
            badness = job.objective.sign * val_measure
            value = [val_loss, badness] if job.settings.monitor == "val_loss" else [badness, val_loss]
            if not job.settings.restore_best or not value >= progress.best:
                progress.best, progress.best_epoch, progress.stale_epochs = value, progress.epoch + 1, -1
                tensors = changing_tensors(job.model)
                self.saver.best |= {name: tensor.clone() for name, tensor in tensors.items()}
        self.evaluation_seconds = self.clock() - began
        seconds = self.clock() - self.epoch_began
        loss_sum, measured, images = self.totals.tolist()
        return {
            "epoch": progress.epoch + 1,
            "train_loss": loss_sum / images,
            f"train_{job.objective.measure}": measured / images * job.objective.unit,
            "val_loss": val_loss,
            f"val_{job.objective.measure}": val_measure,
            "rate": _rate(job, progress, progress.step - 1),
            "seconds": seconds,
            "images_per_second": images / max(seconds - self.evaluation_seconds, 1e-9),
        }

    def _adapt(self) -> None:
        """Lower the rate on a plateau, and stop where nothing improves any more."""
        progress, settings = self.progress, self.job.settings
        progress.stale_epochs += 1
        if settings.schedule == "plateau" and progress.stale_epochs >= settings.lr_patience:
            progress.drops, progress.stale_epochs = progress.drops + 1, 0
        if settings.patience and progress.epoch + 1 - progress.best_epoch >= settings.patience:
            self.state.stop(message("training.stopped.patience", n=settings.patience))

    def _save(self) -> None:
        """Write a checkpoint, and end there after Ctrl-C."""
        self.progress.seconds = self.clock() - self.began
        self.saver.save()
        if self.interrupted.is_set():
            raise KeyboardInterrupt


def _place(model: nn.Module, device: torch.device, layout: torch.memory_format) -> None:
    """Move a model to a device and lay its kernels out in memory."""
    model.to(device=device, memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks it


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """Floats in [0, 1] (image, channel, height, width) -> logits (image, class)."""
    logits: Tensor = model.logits_from_floats(images)  # type: ignore[operator]  # a method of the classifier
    return logits


def _rate(job: Job, progress: Progress, step: int) -> float:
    """Learning rate of one step of the open epoch."""
    return job.settings.learning_rate * rate_factor(
        job.settings,
        step=progress.epoch * job.steps_per_epoch + step,
        steps=progress.epochs * job.steps_per_epoch,
        steps_per_epoch=job.steps_per_epoch,
        drops=progress.drops,
    )


def _mean_loss(job: Job, totals: Tensor, state: FitState) -> float:
    """The epoch's mean loss so far; an accelerator is only made to wait for it now and then."""
    if job.context.device.type != "cpu" and state.step % 20 and state.step != state.steps_per_epoch:
        return state.loss
    loss = float(totals[0] / totals[2])
    if not math.isfinite(loss):
        raise ModelError(
            f"The training loss must stay a number. Received {loss} in epoch {state.epoch}, "
            f"step {state.step}, at the rate {state.rate:.3g}. "
            f"Lower the rate (--set train.learning_rate={job.settings.learning_rate / 10:.1g}), "
            "clip the gradients (--set train.clip_grad_norm=1) or take --set train.precision=float32."
        )
    return loss


def _is_short(job: Job, step_seconds: float, evaluation_seconds: float) -> bool:
    """Whether another step and the evaluation of the epoch might end after the deadline."""
    guess = 0.5 * step_seconds * len(job.data.val) / min(job.settings.batch_size, len(job.data.train))
    evaluating = evaluation_seconds or guess
    after = evaluating * job.later / max(len(job.data.val), 1)
    return job.context.deadline.remaining() < 0.5 + step_seconds + 1.3 * (evaluating + after)


def _affordable_epochs(job: Job) -> int:
    """As many of the recipe's epochs as the deadline allows; a few steps are timed on a copy."""
    wanted = job.settings.epochs
    if math.isinf(job.context.deadline.remaining()):
        return wanted
    trial = replace(job, model=deepcopy(job.model))
    optimizer = build_optimizer(trial.model, job.settings)
    loss_of = Loss(job.objective, job.settings)
    trial.model.train()
    times: list[float] = []
    begin = job.context.deadline.spent()
    for batch in batches(trial, wanted - 1, 0, wanted):
        with trial.precision():
            loss = loss_of(_logits(trial.model, batch.images), batch.targets)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        wait_for(job.context.device)
        times.append(job.context.deadline.spent() - begin)
        begin += times[-1]
        if len(times) == 6:
            break
    # The forward pass of validation is a third of a step; a tenth of the time is reserved for ups and downs.
    step_seconds = median(times[1:] or times)
    steps = job.steps_per_epoch * (1 + len(job.data.val) / len(job.data.train) / 3)
    epoch_seconds = max(step_seconds * steps, 1e-9)
    after = step_seconds / 3 * job.later / min(job.settings.batch_size, len(job.data.train))
    return max(1, min(wanted, int(0.9 * (job.context.deadline.remaining() - after) / epoch_seconds)))

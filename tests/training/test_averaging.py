from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from gcvideo.errors import InputError
from gcvideo.models.weights import load_pretrained
from gcvideo.tracking.checkpoints import checkpoint_callbacks
from gcvideo.tracking.preemption import SIGNALS, Preempted
from gcvideo.training.averaging import decay_after
from gcvideo.training.precise_bn import norms_in_training, set_precise_statistics
from tests.training.small_runs import small_data, small_fit, small_task, write_manifest

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("noise"))


def _copy(module: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _equal(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _load(path: Path | str) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


class Recorder(Callback):
    """Looks on: the weights after each step, what is validated, losses, and the random state after validations."""

    def __init__(self, out: Path | None = None) -> None:
        self.out = out
        self.steps: list[State] = []
        self.validated: list[State] = []
        self.losses: list[Tensor] = []
        self.random: list[Tensor] = []
        self._step = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(outputs["loss"].detach().clone())
        if trainer.global_step > self._step:
            self.steps.append(_copy(pl_module))
        self._step = trainer.global_step

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.validated.append(_copy(pl_module))
        if self.out is not None:
            trainer.save_checkpoint(self.out)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.random.append(torch.get_rng_state())


class Stop(Callback):
    """Ends a run with its first epoch, as if it had been killed after that."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = True


def _kept_in(folder: Path) -> list[ModelCheckpoint]:
    """What every run keeps."""
    callbacks = checkpoint_callbacks(best_after=0)
    for callback in callbacks:
        callback.dirpath = str(folder)
    return callbacks


def _formula(steps: list[State], decay: float) -> State:
    """The average by its definition, in float64."""
    average = {name: value.double() for name, value in steps[0].items()}
    for number, weights in enumerate(steps[1:], start=1):
        kept = min(decay, (1 + number) / (10 + number))
        average = {name: kept * average[name] + (1 - kept) * value.double() for name, value in weights.items()}
    return average


class Told(Callback):
    """SIGTERM at the start of a validation; counts the batches that go through the network after it."""

    def __init__(self) -> None:
        self.batches = 0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        cast(nn.Module, pl_module.network).register_forward_pre_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.batches += 1


def test_signal_during_precise_norms_ends_the_run_before_the_next_batch(manifest: Path, tmp_path: Path) -> None:
    before, told = {number: signal.getsignal(number) for number in SIGNALS}, Told()
    try:
        with pytest.raises(Preempted) as stop:
            small_fit(small_task(precise_bn=5), small_data(manifest), told, *_kept_in(tmp_path))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (told.batches, stop.value.saved_step) == (0, 1), "saved after the first step, half a minute ago at most"
    assert _load(tmp_path / "last.ckpt")["global_step"] == 1


def test_average_is_the_formula_over_the_weights_of_each_step(manifest: Path) -> None:
    """Two batches make a step; the decay is reached after eight of them."""
    recorder = Recorder()
    small_fit(small_task(ema=0.5), small_data(manifest), recorder, epochs=4, accumulate_grad_batches=2)
    assert len(recorder.steps) == 12
    expected, last = _formula(recorder.steps, 0.5), recorder.steps[-1]
    convolutions = [name for name in expected if name.endswith("conv_a.weight")]
    assert not any(torch.equal(last[name].double(), expected[name]) for name in convolutions)
    for name, value in recorder.validated[-1].items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(value, last[name])


def test_decay_is_short_in_the_beginning() -> None:
    assert [decay_after(number, 0.5) for number in (1, 2, 8, 100)] == [2 / 11, 3 / 12, 0.5, 0.5]
    assert decay_after(1, 0.0) == 0


@pytest.mark.parametrize("options", [{"ema": 0.9}, {"precise_bn": 2}, {"ema": 0.9, "precise_bn": 2}])
def test_training_is_bit_for_bit_what_it_is_without(manifest: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    plain, averaged = Recorder(), Recorder()
    runs: dict[str, dict[str, Any]] = {}
    settings: list[tuple[str, Recorder, dict[str, Any]]] = [("plain", plain, {}), ("averaged", averaged, options)]
    for name, recorder, more in settings:
        kept = _kept_in(tmp_path / name)
        small_fit(small_task(**more), small_data(manifest), recorder, *kept, val_check_interval=0.5)
        runs[name] = _load(tmp_path / name / "last.ckpt")
    assert len(plain.losses) == 12
    assert all(torch.equal(a, b) for a, b in zip(plain.losses, averaged.losses, strict=True))
    assert all(_equal(a, b) for a, b in zip(plain.steps, averaged.steps, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(plain.random, averaged.random, strict=True))
    assert _equal(runs["averaged"]["current_model_state"], runs["plain"]["state_dict"])
    assert not any(_equal(a, b) for a, b in zip(plain.validated, averaged.validated, strict=True))
    momenta = [
        [state["momentum_buffer"] for state in run["optimizer_states"][0]["state"].values()] for run in runs.values()
    ]
    assert all(torch.equal(a, b) for a, b in zip(*momenta, strict=True))


def test_precise_statistics_of_the_average_are_validated_and_saved(manifest: Path, tmp_path: Path) -> None:
    recorder, data = Recorder(), small_data(manifest)
    small_fit(small_task(ema=0.9, precise_bn=2), data, recorder, *_kept_in(tmp_path), epochs=1)
    for name in ("best", "last"):
        assert _equal(_load(tmp_path / f"{name}.ckpt")["state_dict"], recorder.validated[-1])
        assert _equal(_load(tmp_path / f"{name}.ckpt")["current_model_state"], recorder.steps[-1])
    again = small_task()
    assert load_pretrained(again.network, str(tmp_path / "best.ckpt")) == []
    norms = norms_in_training(again)
    batches = list(data.statistics_dataloader(0, 2))
    assert len(batches) == 2
    set_precise_statistics(again.eval().network, norms, batches)
    assert _equal(_copy(again), recorder.validated[-1])


def test_checkpoint_that_is_saved_while_the_average_is_validated_is_none_other(manifest: Path, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "during.ckpt")
    small_fit(small_task(ema=0.9, precise_bn=1), small_data(manifest), recorder, epochs=1)
    checkpoint = _load(tmp_path / "during.ckpt")
    assert _equal(checkpoint["state_dict"], recorder.validated[-1])
    assert _equal(checkpoint["current_model_state"], recorder.steps[-1])


def test_average_of_no_step_is_the_weights_that_were_loaded(manifest: Path, tmp_path: Path) -> None:
    other = small_task().network
    nn.init.normal_(other.get_parameter("blocks.0.conv.weight"))
    torch.save(other.state_dict(), tmp_path / "weights.pth")
    recorder = Recorder()
    task = small_task(ema=0.9, precise_bn=1, pretrained=str(tmp_path / "weights.pth"))
    small_fit(task, small_data(manifest), recorder, epochs=1, num_sanity_val_steps=1)
    found = {name.removeprefix("network."): value for name, value in recorder.validated[0].items()}
    assert _equal(found, other.state_dict())


def test_fit_leaves_the_average_in_the_network(manifest: Path) -> None:
    recorder, task = Recorder(), small_task(ema=0.9, precise_bn=1)
    small_fit(task, small_data(manifest), recorder, epochs=1)
    assert _equal(_copy(task), recorder.validated[-1])


def test_stages_that_are_held_keep_their_statistics(manifest: Path) -> None:
    recorder, task = Recorder(), small_task(ema=0.9, precise_bn=1, unfreeze_at={"res2": 1})
    before = _copy(task)
    small_fit(task, small_data(manifest), recorder)
    name = "network.blocks.1.res_blocks.0.branch2.norm_a.running_mean"
    same = [torch.equal(state[name], before[name]) for state in recorder.validated]
    half = len(same) // 2
    assert same == [True] * half + [False] * half


def test_checkpoint_without_an_average_can_be_continued_with_one(
    manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, recorder = small_data(manifest), Recorder()
    small_fit(small_task(), data, epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    small_fit(small_task(ema=0.5), data, recorder, continues=tmp_path / "a.ckpt")
    assert "the checkpoint holds no average of the weights; it begins with this run" in caplog.text
    assert len(recorder.steps) == 6
    name = "network.blocks.0.conv.weight"
    expected = _formula(recorder.steps, 0.5)[name]
    torch.testing.assert_close(recorder.validated[-1][name].double(), expected, rtol=1e-5, atol=1e-6)


def test_checkpoint_with_an_average_can_be_continued_without_one(
    manifest: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """It goes on from the weights that were trained, as a run that never had an average."""
    data, plain, continued = small_data(manifest), Recorder(), Recorder()
    small_fit(small_task(), data, plain)
    small_fit(small_task(ema=0.9, precise_bn=1), data, Stop(), *_kept_in(tmp_path))
    small_fit(small_task(), data, continued, continues=tmp_path / "last.ckpt")
    assert _equal(continued.steps[-1], plain.steps[-1])
    assert not any("AveragedWeights" in str(warning.message) for warning in recwarn)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_continued_run_is_bit_for_bit_the_whole_one(manifest: Path, tmp_path: Path) -> None:

    def run(name: str, *callbacks: Callback, continues: Path | None = None) -> None:
        task, kept = small_task(ema=0.9, precise_bn=2), _kept_in(tmp_path / name)
        callbacks = (*callbacks, *kept)
        small_fit(task, small_data(manifest), *callbacks, epochs=3, continues=continues, accumulate_grad_batches=2)

    run("whole")
    run("cut", Stop())
    assert _load(tmp_path / "cut" / "last.ckpt")["global_step"] == 3
    run("cut", continues=tmp_path / "cut" / "last.ckpt")
    for kind in ("best", "last"):
        whole, cut = (_load(tmp_path / name / f"{kind}.ckpt") for name in ("whole", "cut"))
        assert whole["global_step"] == cut["global_step"]
        for key in ("state_dict", "current_model_state", "averaging_state"):
            assert _equal(whole[key], cut[key]), (kind, key)
        assert whole["averaging_state"]["n_averaged"] == whole["global_step"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema": 1.0}, r"ema is 1.0; expected a decay a step, 0 \(off\) to below 1 \(0.999 is usual\)"),
        ({"ema": -0.1}, "ema is -0.1; expected"),
        ({"precise_bn": -1}, "precise_bn is -1; expected a number of training batches, or 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_task(**options)


def test_weights_of_16_bits_are_refused(manifest: Path) -> None:
    with pytest.raises(InputError, match=r"trainer.precision is bf16-true; set --trainer.precision=bf16-mixed"):
        small_fit(small_task(ema=0.9), small_data(manifest), precision="bf16-true")

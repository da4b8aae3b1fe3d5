"""Stages that are held and let go, through the real command and its checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Fit = Callable[..., Path]
State = dict[str, torch.Tensor]

BLOCKS = {"stem": 0, "res2": 1, "res3": 2, "res4": 3, "res5": 4, "head": 5}
CONSTANT = ["--model.schedule.kind=constant", "--model.schedule.warmup=0"]


def _weights(path: Path) -> State:
    state: State = torch.load(path, weights_only=True)["state_dict"]
    return state


def _own(state: State, stage: str) -> State:
    """Of one stage, its context blocks left aside."""
    own = f"network.blocks.{BLOCKS[stage]}."
    return {name: value for name, value in state.items() if name.startswith(own) and ".gc." not in name}


def _is_equal(one: State, other: State, stage: str) -> bool:
    return all(torch.equal(value, other[name]) for name, value in _own(one, stage).items())


@pytest.mark.parametrize("averaging", [[], ["--model.ema=0.9", "--model.precise_bn=2"]], ids=["plain", "averaged"])
def test_checkpoint_of_each_epoch_has_the_held_stages_as_they_were_loaded(
    fit: Fit, averaging: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    source = fit("source", "--trainer.max_epochs=1") / "last.ckpt"
    options = [*CONSTANT, *averaging, f"--model.pretrained={source}", "--model.unfreeze_at={res5: 1, stem: 2}"]
    options += ["--trainer.gradient_clip_val=0.5"]
    states = [_weights(source)]
    for epochs, resume in ((1, []), (2, ["--ckpt_path=last"]), (3, ["--ckpt_path=last"])):
        states.append(_weights(fit("tuned", *options, f"--trainer.max_epochs={epochs}", *resume) / "last.ckpt"))
    held = [{stage for stage in BLOCKS if _is_equal(states[0], state, stage)} for state in states[1:]]
    assert held == [{"stem", "res5"}, {"stem"}, set()]
    assert all(any(".gc." in name for name in state) for state in states)
    blocks = [name for name in states[0] if name.startswith("network.blocks.4.") and ".gc." in name]
    assert any(not torch.equal(states[0][name], states[1][name]) for name in blocks)
    assert "lets res5 (epoch 1), stem (epoch 2) go after the end of the run, whose last epoch is 0" in caplog.text
    whole = _weights(fit("whole", *options, "--trainer.max_epochs=3") / "last.ckpt")
    assert all(torch.equal(value, states[-1][name]) for name, value in whole.items())


def test_stage_named_from_the_shell_is_checked(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    fit("here", "--model.unfreeze_at.res6=1", code=1)
    assert "unfreeze_at names 'res6'; expected some of stem, res2, res3, res4, res5" in capsys.readouterr().err
    fit("here", "--model.unfreeze_at.res5=-1", code=1)
    assert "unfreeze_at.res5 is -1; expected an epoch, 0 (from the start) or more" in capsys.readouterr().err

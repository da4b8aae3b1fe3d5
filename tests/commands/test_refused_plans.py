"""What a plan refuses: what ``fit`` would, in one line, before anything is measured or left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gcvideo.cli import run
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.network import Network
from tests.commands.conftest import SMALL

Refused = Callable[..., str]


@pytest.fixture
def refused(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Plans a fit that must be refused; gives its last line."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def go(*options: str, code: int) -> str:
        assert run(["fit", "--config", "demo", "--data.root", str(videos), *SMALL, *options, "--plan"]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("error") == 1
        assert list(Path.cwd().iterdir()) == []
        return captured.err.splitlines()[-1]

    return go


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--model.pretrained=SLOW_typo.pyth"], 2, "model.pretrained 'SLOW_typo.pyth': no such file, and not one of"),
        (["--model.optimizer.weight_decay=-1"], 2, "--model.optimizer: Invalid weight_decay value: -1"),
        (["--model.optimizer.lr=0"], 2, "the learning rate is 0, so nothing would be learned"),
        (["--trainer.precision=transformer-engine"], 1, "needs the package transformer_engine, which is not installed"),
        (["--trainer.precision=16-mixed"], 1, "--trainer.precision=16-mixed needs a GPU, and this would train on"),
        (["--max_time=2h"], 2, "--max_time is '2h'; expected days, hours, minutes and seconds as DD:HH:MM:SS"),
        (["--trainer.max_time=5"], 2, "--max_time is '5'; expected days, hours"),
        (["--trainer.limit_train_batches=0.01"], 2, "limit_train_batches=0.01 leaves none of the 3 batches"),
        (["--trainer.max_epochs=-1"], 2, "the run has no end, and a schedule needs one"),
        (
            ["--trainer.devices=8", "--trainer.accelerator=gpu"],
            1,
            "14 training videos (2 more are held out, see --data.holdout) do not fill one batch of 4 on 8 device(s)",
        ),
    ],
)
def test_plan_refuses_what_fit_refuses(refused: Refused, options: list[str], code: int, message: str) -> None:
    assert message in refused(*options, code=code)


def test_plan_refuses_weights_that_do_not_fit(refused: Refused, tmp_path: Path) -> None:
    torch.save(Network(SlowOnly(width=4), 2).state_dict(), tmp_path / "narrow.pth")
    assert "not the weights of this network" in refused(f"--model.pretrained={tmp_path / 'narrow.pth'}", code=1)


def test_weights_of_a_checkpoint_that_is_continued_need_no_others(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it began with may be gone."""
    monkeypatch.chdir(tmp_path)
    torch.save(Network(SlowOnly(width=8), 2).state_dict(), "weights.pth")
    fit = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, "--trainer.logger=false", "--run_dir=run"]
    fit += ["--model.context=null", "--model.pretrained=weights.pth"]
    assert run([*fit, "--trainer.max_epochs=1"]) == 0
    Path("weights.pth").unlink()
    assert run([*fit, "--trainer.max_epochs=2", "--ckpt_path=last", "--plan"]) == 0

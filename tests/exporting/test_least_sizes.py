"""How small clips may be is measured, said, and no more is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

from gcvideo.commands.export import main
from gcvideo.exporting import export as exporting
from gcvideo.exporting.least_sizes import check_bounds, least_sizes
from tests.exporting.saved_models import saved

SHAPE, OPEN = (2, 3, 4, 48, 48), ("batch", "frames", "height", "width")


class Windowed(nn.Module):
    """Averages windows of 7x7 of its positions, each 4x4 pixels, as the zoo's heads do; 28 pixels are the least."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(3, 5)
        self.mean, self.std = torch.zeros(3), torch.ones(3)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, 3, T, H, W) to logits (N, 5)."""
        x = avg_pool3d(clips.float() / 255, (1, 4, 4))
        if min(x.shape[3:]) < 7:
            raise ValueError("less than a window")
        windows = avg_pool3d(x.mean(dim=2, keepdim=True), (1, 7, 7), stride=1).flatten(2)
        logits: Tensor = self.proj(windows.transpose(1, 2)).mean(dim=1)
        return logits


def _opened(path: Path) -> Callable[[Tensor], Tensor]:
    """As a program without gcvideo would."""
    if path.suffix == ".pt2":
        module: Callable[[Tensor], Tensor] = torch.export.load(path).module()
        return module
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda clips: torch.from_numpy(session.run(None, {"clips": clips.numpy()})[0])


@pytest.mark.parametrize(("kind", "least"), [("onnx", 28), ("torch-export", 32)])
def test_file_refuses_what_its_network_refuses_and_says_from_where_it_answers(
    kind: str, least: int, tmp_path: Path
) -> None:
    """The program of torch takes several windows alone, as one was none of what it saw."""
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    network: Any = Windowed()
    exported = exporting.export_model(saved(tmp_path, network), kind)
    assert exported.dynamic == OPEN
    assert exported.least == {"frames": 1, "height": least, "width": least}
    assert json.loads(exported.beside[0].read_text())["input"]["least"] == exported.least
    run = _opened(exported.path)
    for size in ((least, least), (48, 48), (35, 70)):
        clips = torch.randint(0, 256, (1, 3, 2, *size), dtype=torch.uint8)
        torch.testing.assert_close(run(clips).detach(), network(clips).softmax(1).detach(), rtol=0, atol=1e-5)
    for size in ((least - 1, 48), (48, least - 1), (26, 26), (24, least)):
        with pytest.raises(Exception, match=f"height_from_{least}|width_from_{least}|Guard failed|AveragePool"):
            run(torch.zeros((1, 3, 2, *size), dtype=torch.uint8))


def _from(frames: int, pixels: int, area: int = 0) -> Any:
    """Gives the same for all clips that are not too small."""

    def answer(clips: Tensor) -> Tensor:
        t, h, w = clips.shape[2:]
        if t < frames or min(h, w) < pixels or h * w < area:
            raise ValueError("too small")
        return torch.full((len(clips), 5), 0.2)

    return answer


@pytest.mark.parametrize(("frames", "pixels"), [(1, 1), (2, 33), (4, 48), (3, 47)])
def test_least_sizes_are_those_that_both_take(frames: int, pixels: int) -> None:
    wanted = {"frames": frames, "height": pixels, "width": pixels}
    assert least_sizes(_from(1, 1), _from(frames, pixels), SHAPE, OPEN) == wanted
    assert least_sizes(_from(frames, pixels), _from(1, 1), SHAPE, OPEN) == wanted
    assert least_sizes(_from(1, 1), _from(1, pixels), SHAPE, ("batch", "width")) == {"width": pixels}


def test_sizes_that_are_too_small_together_are_not_promised() -> None:
    traced = {"frames": 4, "height": 48, "width": 48}
    assert least_sizes(_from(1, 1, area=20 * 48), _from(1, 1), SHAPE, OPEN) == traced


def test_answer_below_the_least_size_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="it answers clips with a height of 32, which its network does not"):
        check_bounds(_from(1, 33), _from(1, 1), SHAPE, {"frames": 1, "height": 33})
    check_bounds(_from(1, 33), _from(1, 33), SHAPE, {"frames": 1, "height": 33})


def test_command_prints_the_least_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network: Any = Windowed()
    model = saved(tmp_path, network)
    monkeypatch.setattr("gcvideo.predicting.saved_model.load_model", lambda path: model)
    assert main(["--ckpt_path", str(model.path), "--format", "torch-export"]) == 0
    assert "sizes that may vary: batch, frames from 1, height from 32, width from 32\n" in capsys.readouterr().out

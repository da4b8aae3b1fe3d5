from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcvideo.cli import run

SLOW = ["count", "--config", "kinetics400/slowonly_r50_8x8"]


def test_json_has_counts_by_stage_and_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "--config", "kinetics400/slowonly_r50_8x8_gc5", "--clip", "8x256x256", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["params"] == 34_300_373
    assert result["macs"] / 1e9 == pytest.approx(54.550, rel=0.0002)
    assert result["clip"] == "8x256x256"
    assert result["num_classes"] == 400
    assert sum(stage["macs"] for stage in result["stages"]) == result["macs"]
    assert [block["params"] for block in result["blocks"]] == [132_481] * 2 + [527_105] * 3
    assert "multiply-adds" in result["macs_convention"]
    memory = result["activations"]
    assert memory["bf16"]["bytes"] < 0.7 * memory["fp32"]["bytes"]


def test_text_says_totals_and_conventions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SLOW) == 0
    out = capsys.readouterr().out
    whole = next(line for line in out.splitlines() if line.startswith("all"))
    assert whole.split()[1:3] == ["32,454,096", "41.741"]
    assert "MACs: multiply-adds of convolutions" in out
    assert "for a batch of 8" in out


def test_network_is_changed_from_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model.backbone.depth=101", "--model.backbone.frozen_stages=[stem]", "--json"]
    assert run([*SLOW, "--clip", "8x64x64", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert round(result["params"] / 1e6, 2) == 60.36
    assert result["params"] - result["trainable"] == 3 * 49 * 64 + 2 * 64


def test_memory_grows_with_the_batch_and_falls_with_checkpointing(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {}
    for name, options in {
        "two": ["--batch_size=2"],
        "four": ["--batch_size=4"],
        "saving": ["--batch_size=4", "--model.backbone.checkpointed_stages=[res2,res3,res4,res5]"],
    }.items():
        assert run([*SLOW, "--clip", "8x64x64", "--json", *options]) == 0
        sizes[name] = json.loads(capsys.readouterr().out)["activations"]["fp32"]["bytes"]
    assert sizes["four"] == pytest.approx(2 * sizes["two"], rel=0.01)
    assert sizes["saving"] < 0.7 * sizes["four"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clip", "8x224"], "--clip is '8x224'; expected frames x height x width, such as 8x224x224"),
        (["--batch_size", "0"], "--batch_size is 0; expected at least 1"),
        (
            ["--trainer.max_epochs=3"],
            "unknown option --trainer.max_epochs; gcvideo count --help lists them; it takes --model.…, too",
        ),
        (["--model.backbone.dept=3"], "SlowOnly has no option 'dept'; did you mean 'depth'?"),
        (["--model.backbone.depth=18"], "depth is 18; expected one of 50, 101, 152"),
        (["--clip", "8x128x128", "--model.head=pytorchvideo"], "take a crop of at least 224 px"),
    ],
)
def test_wrong_use_is_one_line_with_the_cure(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SLOW, *options]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_config_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "half.yaml").write_text("trainer: {max_epochs: 3}\n")
    assert run(["count", "--config", str(tmp_path / "half.yaml")]) == 2
    assert "no complete config of a model and its data ('model')" in capsys.readouterr().err

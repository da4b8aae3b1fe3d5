from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gcvideo.cli import run
from gcvideo.commands.benchmarking.advice import DataBenchmark
from gcvideo.commands.benchmarking.decoders import DecoderCost, PreparedCost, measure_decoders, measure_prepared
from gcvideo.commands.benchmarking.report import PARTS, PipelineCost, measure_pipeline
from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.encode import write_video
from gcvideo.data.manifest import read_manifest
from gcvideo.data.preparing.reencode import Encoding
from gcvideo.data.transforms import Augmentation, TrainTransform
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord
from tests.commands.conftest import SMALL
from tests.conftest import video_record


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, four training videos each and one for the end, with one key frame each."""
    root = tmp_path_factory.mktemp("set")
    generator = np.random.default_rng(0)
    for folder, count in {"train/jump": 4, "train/run": 4, "val/jump": 1, "val/run": 1}.items():
        (root / "videos" / folder).mkdir(parents=True)
        for number in range(count):
            frames = generator.integers(0, 256, (60, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
            write_video(root / "videos" / folder / f"v_g{number:02d}_c01.mp4", frames, fps=25, gop=250)
    assert run(["index", str(root / "videos"), "--out", str(root / "manifest.csv"), "--num_workers", "1"]) == 0
    return root / "manifest.csv"


@pytest.fixture
def options(manifest: Path) -> list[str]:
    return ["--data.manifest", str(manifest), *SMALL[2:], "--data.short_side_px=32", "--data.group=null"]


@pytest.fixture
def records(manifest: Path) -> list[VideoRecord]:
    return read_manifest(manifest).split("train")


def _dataset(records: list[VideoRecord], clips: int = 1) -> VideoDataset:
    transform = TrainTransform(32, Augmentation())
    return VideoDataset(records, ClipSpec(4, 2, clips), transform, crop_px=32)


def _measure(dataset: VideoDataset, rounds: int = 2) -> PipelineCost:
    keys = [(0, index) for index in range(len(dataset))]
    return measure_pipeline(dataset, keys, Reading(), batch_size=4, rounds=rounds, on_video=lambda: None)


def test_parts_make_up_the_whole_and_the_data_set_is_as_before(records: list[VideoRecord]) -> None:
    dataset = _dataset(records)
    reader, transform, before = dataset.reader, dataset.transform, dataset[0, 3]
    cost = _measure(dataset)
    assert set(cost.parts) == set(PARTS)
    assert all(milliseconds > 0 for milliseconds in cost.parts.values())
    assert sum(cost.parts.values()) == pytest.approx(cost.total, rel=0.5), "each a median of its own"
    assert cost.clips_per_s == 1000 / cost.total
    assert (dataset.reader, dataset.transform) == (reader, transform)
    assert torch.equal(dataset[0, 3].clips, before.clips)


def test_slow_part_is_named(records: list[VideoRecord]) -> None:
    fast, slow = _measure(_dataset(records[:2])), _dataset(records[:2])
    slow.transform = TrainTransform(256, Augmentation(jitter=0.4, hue=0.2))
    parts = _measure(slow).parts
    assert parts["augment"] == max(parts.values())
    assert parts["augment"] > fast.parts["augment"]


def test_what_is_read_are_the_frames_of_the_training_clips(records: list[VideoRecord]) -> None:
    cost = _measure(_dataset(records, clips=2), rounds=1)
    assert [record.path for record, _ in cost.requests] == [record.path for record in records]
    assert all(indices.shape == (2, 4) for _, indices in cost.requests)
    assert cost.megabytes is None or 0 < cost.megabytes < 1


def test_unreadable_video_is_counted_and_nothing_but_them_refused(records: list[VideoRecord]) -> None:
    lost = replace(records[0], path="lost.mp4")
    assert _measure(_dataset([lost, *records[1:4]])).num_failed == 1
    with pytest.raises(InputError, match=r"none of the 1 videos tried can be read: lost\.mp4"):
        _measure(_dataset([lost]))


def test_each_decoder_is_measured_where_it_is_right(records: list[VideoRecord]) -> None:
    only_pyav = replace(records[0], readers="pyav:forward")
    requests = [(record, np.array([[40, 42, 44, 46]])) for record in (only_pyav, *records[1:4])]
    totals: list[int] = []
    costs = {
        cost.name: cost
        for cost in measure_decoders(requests, rounds=2, on_start=totals.append, on_video=lambda: totals.append(1))
    }
    assert costs["pyav"].num_right == 4
    assert totals == [12] + 12 * [1]
    assert all(cost.num_right == 3 for name, cost in costs.items() if name != "pyav")
    for cost in costs.values():
        assert cost.total == pytest.approx(cost.open + cost.first + cost.rest)
        assert cost.first > 0, "40 frames are decoded on the way"
    assert costs["pyav"].rgb is not None
    assert costs["pyav"].rgb > 0


def test_preparing_gains_where_the_key_frame_is_far(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    frames = np.stack([picture[k : k + 256, k : k + 320] for k in range(150)])
    write_video(tmp_path / "film.mp4", frames, fps=25, gop=250)
    record = video_record(tmp_path / "film.mp4", num_frames=150, num_bytes=(tmp_path / "film.mp4").stat().st_size)
    cost = measure_prepared([record], 4, 8, Encoding(128, gop=1))
    assert cost is not None
    assert cost.num_videos == 1
    assert cost.after < cost.before
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert measure_prepared([replace(record, path="lost.mp4")], 4, 8, Encoding()) is None


def _benchmark(**values: Any) -> DataBenchmark:
    cost = PipelineCost(dict.fromkeys(PARTS, 10.0), 40.0, 40.0, 0.5, 0, [])
    pyav = DecoderCost("pyav", 8, 1.0, 2.0, 7.0, 3.0)
    plain: dict[str, Any] = {
        "num_videos": 8,
        "num_training_videos": 100,
        "rounds": 3,
        "clip": "",
        "cost": cost,
        "decoders": [DecoderCost("decord", 8, 1.0, 2.0, 8.0, None), pyav],
        "prepared": None,
        "clips_per_step": 32,
        "step_ms": 400.0,
        "step_is_measured": False,
        "num_processors": 16,
        "reader": "decord",
    }
    return DataBenchmark(**plain | values)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({}, "use --data.num_workers=4 (for each device; there are 16 processors)"),
        ({"step_ms": 1280.0}, "use --data.num_workers=1 ("),
        ({"step_ms": 1279.0}, "use --data.num_workers=2 ("),
        ({"step_ms": None}, "add --measure_step, or --step_ms"),
        ({"num_processors": 2}, "there are 2 processors: with --data.num_workers=2 a step waits, and takes 640 ms"),
        (
            {"decoders": [DecoderCost("decord", 8, 5, 5, 5, None), DecoderCost("pyav", 8, 1, 2, 3, 1)]},
            "--data.reading.reader=pyav reads these videos 2.5 times as fast as decord",
        ),
        (
            {"prepared": PreparedCost(Encoding(128, gop=1), 3, 20.0, 5.0, 2.5)},
            "gcvideo prepare with --short_side 128 --gop 1 makes reading 4.0 times as fast, for 2.5 times the bytes",
        ),
    ],
)
def test_advice_follows_from_the_figures(values: dict[str, Any], advice: str) -> None:
    assert advice in "\n".join(_benchmark(**values).advice)


def test_decoder_that_is_right_for_fewer_videos_is_not_advised() -> None:
    fast = DecoderCost("torchcodec", 7, 0.1, 0.1, 0.1, None)
    slow = DecoderCost("decord", 8, 5, 5, 5, None)
    assert len(_benchmark(decoders=[slow, fast]).advice) == 1
    prepared = PreparedCost(Encoding(128, gop=1), 3, 5.0, 4.9, 2.5)
    assert len(_benchmark(prepared=prepared).advice) == 1, "not worth it"


def test_command_says_where_the_time_goes_and_leaves_nothing(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["benchmark", "data", "--config", "folder", *options, "--num", "6", "--rounds", "1"]
    assert run([*arguments, "--step_ms", "1000"]) == 0
    report = capsys.readouterr().out
    assert "6 of 6 training videos, one process, one thread; medians of 1 rounds" in report, "two are held out"
    assert "4 frames x stride 2, 32 px, random crop of 0.25 to 1 of the picture, flip 0.5, jitter 0.4" in report
    assert "a step of 1000 ms (given) takes 4 clips; one worker needs " in report
    assert "\nuse --data.num_workers=1 (for each device" in report
    table = report[report.index("decoder ") :].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table[1:] if line.split()[0] in ("decord", "pyav")] == ["decord", "pyav"]
    assert len({len(line) for line in table}) == 1, "aligned"
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])


def test_step_is_measured_and_json_holds_all_of_it(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--trainer.accelerator=cpu", "--num", "4", "--rounds", "1", "--measure_step", "--json"]
    assert run(["benchmark", "data", "--config", "folder", *options, *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["step_is_measured"]
    assert found["step_ms"] > 1
    assert found["num_workers"] == -(-4 * found["milliseconds_per_clip"]["total"] // found["step_ms"])
    assert set(found["milliseconds_per_clip"]["parts"]) == set(PARTS)
    assert {decoder["name"] for decoder in found["decoders"]} >= {"pyav"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "say first what is measured: gcvideo benchmark data --config NAME_OR_FILE"),
        (["network", "--config", "folder"], 2, "say first what is measured"),
        (["data", "--config", "folder", "--num", "0"], 2, "--num is 0; expected at least 1"),
        (["data", "--config", "folder", "--step_ms", "0"], 2, "--step_ms is 0; expected milliseconds above 0"),
        (["data", "--config", "foldr"], 2, "config 'foldr': no such file, and not a shipped config"),
        (["data", "--config", "folder", "--data.root", "nowhere"], 1, "nowhere: no such folder"),
        (["data", "--config", "folder", "--data.batch_sise=2"], 2, "did you mean 'batch_size'"),
    ],
)
def test_mistake_is_one_line(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark", *arguments]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["benchmark", "--help"])
    assert stop.value.code == 0
    assert "gcvideo benchmark data --config folder --data.root MY_VIDEOS\n" in capsys.readouterr().out

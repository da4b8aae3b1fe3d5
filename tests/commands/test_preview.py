from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from gcvideo.cli import run
from gcvideo.commands._configs import with_found_configs
from gcvideo.commands._mosaic import draw_grid, write_film
from gcvideo.commands._preview import FedClip, Preview, look
from gcvideo.commands.running.command_line import run_cli
from gcvideo.commands.running.options import import_all_parts
from gcvideo.data.encode import write_video
from tests.commands.conftest import SMALL
from tests.conftest import video_record


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, eight training videos each and three for the end."""
    root = tmp_path_factory.mktemp("set")
    generator = np.random.default_rng(0)
    for folder, count in {"train/jump": 8, "train/run": 8, "val/jump": 3, "val/run": 3}.items():
        (root / "videos" / folder).mkdir(parents=True)
        for number in range(count):
            frames = generator.integers(0, 256, (12, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
            write_video(root / "videos" / folder / f"v_g{number:02d}_c01.mp4", frames, fps=25)
    assert run(["index", str(root / "videos"), "--out", str(root / "manifest.csv"), "--num_workers", "1"]) == 0
    return root / "manifest.csv"


@pytest.fixture
def options(manifest: Path) -> list[str]:
    """Of a small run of folder: 16 training videos, three of them held out."""
    return ["--data.manifest", str(manifest), *SMALL, "--data.short_side_px=32", "--data.group=null"]


def _fed_by_fit(options: list[str], run_dir: Path, num_batches: int) -> list[Tensor]:
    """What the network gets in the first steps of a real fit."""
    import_all_parts()
    arguments = ["--config", "folder", *options, "--trainer.logger=false", "--run_dir", str(run_dir)]
    arguments += ["--trainer.enable_checkpointing=false", "--trainer.log_every_n_steps=1"]
    limits = [f"--trainer.limit_train_batches={num_batches}", "--trainer.max_epochs=1", "--trainer.limit_val_batches=0"]
    cli = run_cli("fit", *with_found_configs([*arguments, *limits]), only_build=True)
    fed: list[Tensor] = []
    cli.model.network.register_forward_pre_hook(lambda module, inputs: fed.extend(inputs[0].clone()))
    cli.trainer.fit(cli.model, cli.datamodule)
    return fed


def _shown(options: list[str], *more: str, split: str = "train", num_clips: int = 8) -> Preview:
    return look(["folder"], [*options, *more], split=split, num_clips=num_clips)


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--trainer.accumulate_grad_batches=2", "--seed_everything=5", "--data.augmentation.randaugment=2"],
        ["--model.mixing={mixup: 0, cutmix: 0, label_smoothing: 0}", "--data.augmentation.erasing=1"],
    ],
)
def test_clips_are_what_fit_feeds_the_network_bit_for_bit(options: list[str], more: list[str], tmp_path: Path) -> None:
    fed = _fed_by_fit([*options, *more], tmp_path / "run", num_batches=2)
    shown = [clip.pixels for clip in _shown(options, *more, num_clips=8).clips]
    assert len(fed) == len(shown) == 8
    assert all(torch.equal(one, other) for one, other in zip(fed, shown, strict=True))


def test_target_is_the_class_of_the_video_and_what_is_mixed_in(options: list[str]) -> None:
    clips = _shown(options, num_clips=12).clips
    for clip in clips:
        own = Path(clip.record.path).parent.name
        assert next(iter(clip.shares)) == own
        assert sum(clip.shares.values()) == pytest.approx(0.9 + 0.05 * len(clip.shares), abs=1e-4)
        words = [f"{name} {100 * share:.0f} %" for name, share in clip.shares.items()]
        assert " ".join(clip.target()) == " + ".join(words)
    assert {len(clip.shares) for clip in clips} == {1, 2}


def test_evaluation_shows_views_as_they_are(options: list[str]) -> None:
    preview = _shown(options, "--data.num_test_clips=2", split="test", num_clips=5)
    assert [clip.view for clip in preview.clips] == [0, 1, 0, 1, 0]
    assert all(clip.pixels.dtype == torch.uint8 for clip in preview.clips)
    assert [clip.caption(k)[0] for k, clip in enumerate(preview.clips, 1)] == [f"{k}  jump" for k in range(1, 6)]
    assert preview.clips[1].caption(2)[2] == "v_g00_c01.mp4, view 1"
    assert preview.smoothing == 0


@pytest.mark.parametrize(
    ("more", "fps"),
    [
        (["--data.target_fps=10"], 5),  # every second frame of ten a second
        (["--data.sampling=segments"], 4 / 0.48),  # four frames from 12 / 25 of a second
    ],
)
def test_film_moves_as_fast_as_the_videos(options: list[str], more: list[str], fps: float) -> None:
    assert _shown(options, *more, num_clips=2).fps == pytest.approx(fps)


def test_clips_of_one_video_stand_together(options: list[str]) -> None:
    clips = _shown(options, "--data.clips_per_video=2", num_clips=4).clips
    assert [clip.view for clip in clips] == [0, 1, 0, 1]
    assert clips[0].record == clips[1].record


def test_class_that_keeps_its_direction_is_fed_unflipped(options: list[str]) -> None:
    plain = ["--data.augmentation.area=[1, 1]", "--data.augmentation.aspect=[1, 1]", "--data.augmentation.jitter=0"]
    plain += ["--model.mixing={mixup: 0, cutmix: 0}", "--data.augmentation.hue=0", "--data.augmentation.grayscale=0"]
    never, always = (
        _shown(options, *plain, f"--data.augmentation.flip={flip}", "--data.augmentation.keep_direction=[run]").clips
        for flip in (0, 1)
    )
    for one, other in zip(never, always, strict=True):
        pixels = other.pixels if one.record.path.split("/")[-2] == "run" else other.pixels.flip(-1)
        assert torch.equal(one.pixels, pixels)
    assert {next(iter(clip.shares)) for clip in never} == {"jump", "run"}


def test_command_writes_a_picture_and_a_film_and_says_what_is_in_them(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "some" / "folder"
    assert run(["preview", "--config", "folder", "--out", str(out), "--num", "3", *options]) == 0
    report = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["preview_train.mp4", "preview_train.png"]
    assert len(re.findall(r"^[123]  +(?:jump|run) .* 64 x 64  12 +25 +/.*\.mp4$", report, re.MULTILINE)) == 3
    assert "pixels: 0 to 1, as float; the network scales uint8 to 0-1, subtracts the mean 0.45 0.45 0.45" in report
    assert "label smoothing: 10 % of each target" in report
    assert f"wrote {out}/preview_train.png: 4 frames of each clip" in report
    with av.open(str(out / "preview_train.mp4")) as film:
        (stream,) = film.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate or 0) == 12.5, "25 frames a second, every second one"
        assert sum(1 for _ in film.decode(stream)) == 52, "four frames, over and over for four seconds"
    assert not (tmp_path / "runs").exists()


def test_picture_holds_the_pixels_enlarged_by_whole_numbers(tmp_path: Path) -> None:
    clips = list(np.random.default_rng(0).integers(0, 256, (3, 5, 32, 32, 3)).astype(np.uint8))
    assert draw_grid(clips, [["1  a", "", "b.mp4"]] * 3, tmp_path / "x.png") == 5
    picture = (imread(tmp_path / "x.png")[..., :3] * 255).round().astype(np.uint8)
    for row, clip in enumerate(clips):
        for column, frame in enumerate(clip):
            top, left = 36 + row * (224 + 24), column * 226
            assert np.array_equal(picture[top : top + 224, left : left + 224], frame.repeat(7, 0).repeat(7, 1))
    assert (picture[18:36, :60] < 128).any(), "a caption above"


def test_long_clips_show_sixteen_frames_from_the_first_to_the_last(tmp_path: Path) -> None:
    clip = np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 40, 40, 3), np.uint8)
    assert draw_grid([clip], [["a"]], tmp_path / "x.png") == 16
    picture = (imread(tmp_path / "x.png")[..., 0] * 255).round().astype(int)
    seen = [picture[60, 10 + column * (picture.shape[1] // 16)] // 5 for column in range(16)]
    assert seen == [0, 3, 7, 10, 13, 16, 20, 23, 26, 29, 33, 36, 39, 42, 46, 49]


def test_film_plays_every_clip_at_its_place(tmp_path: Path) -> None:
    clips = [np.full((6, 224, 224, 3), 40 * number, np.uint8) for number in range(5)]
    clips[4][3] = 250
    write_film(clips, [["a", "", "b"]] * 5, tmp_path / "x.mp4", fps=2)
    with av.open(str(tmp_path / "x.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 12, "two times, which is over four seconds"
    middles = [(150, 112), (150, 342), (150, 572), (416, 112), (416, 342)]
    assert [round(int(frames[0][place][0]) / 40) for place in middles] == [0, 1, 2, 3, 4]
    assert [int(frame[416, 342, 0]) > 200 for frame in frames] == [number % 6 == 3 for number in range(12)]


def test_names_of_any_kind_are_drawn_in_a_line(tmp_path: Path) -> None:
    pixels = torch.zeros(3, 2, 32, 32, dtype=torch.uint8)
    record = video_record("folder/a\nb\x1b[31m.mp4")
    clip = FedClip(pixels, {"$x_2$": 0.7, "跳": 0.3}, record, None, True)
    assert clip.caption(1) == ["1  $x_2$ 70 %", "+ 跳 30 %", "a b\\x1b[31m.mp4"]
    draw_grid([clip.pictures()], [clip.caption(1)], tmp_path / "x.png")
    write_film([clip.pictures()], [clip.caption(1)], tmp_path / "x.mp4", fps=1)
    assert (imread(tmp_path / "x.png")[18:36, :, 0] < 0.5).any()


def test_video_that_cannot_be_read_is_marked(manifest: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(manifest.parent, copy)
    lost = copy / "videos" / "val" / "jump" / "v_g01_c01.mp4"
    lost.write_bytes(b"<html>")
    changed = ["--data.manifest", str(copy / "manifest.csv"), "--data.holdout=0"]
    preview = look(["demo"], [*SMALL, *changed], split="val", num_clips=4)
    assert [str(lost) in failure for failure in preview.failures] == [True]
    marked = [clip for clip in preview.clips if "cannot be read: not its pixels" in clip.caption(1)[2]]
    assert [Path(clip.record.path) for clip in marked] == [lost]
    assert not marked[0].pixels.any(), "black"


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["preview", "--help"])
    assert stop.value.code == 0
    assert "gcvideo preview --config folder --data.root MY_VIDEOS\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--num", "0"], 2, "--num is 0; expected 1 to 64 clips"),
        (["--config", "foldr"], 2, "config 'foldr': no such file, and not a shipped config; did you mean folder"),
        (["--data.manifest=", "--data.root", "nowhere"], 1, "nowhere: no such folder"),
        (["--data.batch_sise=2"], 2, "VideoFolder has no option 'batch_sise'; did you mean 'batch_size'"),
        (["--data.augmentation.randaugment=-1"], 1, "augmentation.randaugment is -1; expected 0 or more"),
        (["--data.augmentation.keep_direction=[jmp]"], 1, "no class is called 'jmp'; did you mean 'jump'?"),
        (["--split", "test", "--data.holdout=0"], 1, "no videos to test on: add a test/ folder"),
        (["--out", "file/x"], 1, "is not a folder that can be written to; name another one"),
    ],
)
def test_mistake_is_one_line_and_leaves_nothing(
    options: list[str],
    more: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    before: Any = sorted(tmp_path.iterdir())
    assert run(["preview", "--config", "folder", *options, *more]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("indexing videos: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


def test_fewer_videos_than_a_batch_are_shown_and_that_is_said(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["preview", "--config", "folder", *options, "--data.batch_size=99"]) == 0
    assert "14 training videos do not fill a batch of 99; here 14 are one" in caplog.text

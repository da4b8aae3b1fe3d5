from __future__ import annotations

import json

import pytest

from gcvideo.cli import run
from gcvideo.commands._catalogue import Catalogue

K = "kinetics400/"
MMACTION2 = "mmaction2 1.2.0, {}/README.md"
ZOO, HUB = "PySlowFast MODEL_ZOO.md", "pytorchvideo model zoo"
PAPER, NONLOCAL = "Non-local paper, table 2{}", "video-nonlocal-net README.md"

# What the sources say, typed from them and not from the configs: model -> (source, top-1, top-5).
PUBLISHED = {
    "slowonly_r50_4x16": [(MMACTION2.format("slowonly"), 72.97, 90.88)],
    "slowonly_r50_8x8": [(MMACTION2.format("slowonly"), 75.15, 92.11)],
    "slowonly_r101_8x8": [(MMACTION2.format("slowonly"), 76.59, 92.80)],
    "slowonly_r50_4x16_imagenet": [(MMACTION2.format("slowonly"), 75.12, 91.72)],
    "slowonly_r50_8x8_imagenet": [(MMACTION2.format("slowonly"), 76.45, 92.55)],
    "slowonly_r50_4x16_pyslowfast": [(ZOO, 72.7, 90.3), (HUB, 72.40, 90.18), ("SlowFast paper", 72.6, 90.3)],
    "slowonly_r50_8x8_pyslowfast": [(ZOO, 74.8, 91.6), (HUB, 74.58, 91.63)],
    "slowonly_r50_8x8_gcnet": [("GCNet, Slow-only table", 74.94, 91.90)],
    "slowonly_r50_8x8_gc5": [],
    "slowonly_r50_8x8_gc_all": [("GCNet, Slow-only table", 76.00, 92.34)],
    "i3d_r50_8x8_pyslowfast": [(ZOO, 73.5, 90.8), (HUB, 73.27, 90.70)],
    "i3d_r50_32x2": [(MMACTION2.format("i3d"), 73.47, 91.27)],
    "i3d_r50_32x2_heavy": [(MMACTION2.format("i3d"), 76.21, 92.48)],
    "c2d_r50_8x8_pyslowfast": [(HUB, 71.46, 89.68)],
    "c2d_r50_8x8_nopool_pyslowfast": [(ZOO, 67.2, 87.8)],
    "c2d_r50_8x8": [(MMACTION2.format("c2d"), 73.89, 91.21)],
    "c2d_r50_8x8_nopool": [(MMACTION2.format("c2d"), 73.44, 91.00)],
    "c2d_r50_16x4": [(MMACTION2.format("c2d"), 74.97, 91.91)],
    "c2d_r101_8x8_nopool": [(MMACTION2.format("c2d"), 74.97, 91.77)],
    "c2d_r50_32x2_nonlocal_paper": [(PAPER.format("a"), 71.8, 89.7), (NONLOCAL, 72.0, 90.0)],
    "c2d_r101_32x2_nonlocal_paper": [(PAPER.format("c"), 73.1, 91.0)],
    "i3d_r50_32x2_nonlocal_paper": [(PAPER.format("f"), 73.3, 90.7), (NONLOCAL, 73.6, 90.8)],
    "i3d_r101_32x2_nonlocal_paper": [(PAPER.format("e"), 74.4, 91.1)],
    "i3d_r101_3x3x3_32x2_nonlocal_paper": [(PAPER.format("e"), 74.1, 91.2)],
    "c2d_r50_8x8_nonlocal_paper": [(NONLOCAL, 71.9, 90.0)],
    "i3d_r50_8x8_nonlocal_paper": [(NONLOCAL, 73.4, 90.9)],
    "slowonly_r50_4x16_imagenet_nl5_mmaction2": [(MMACTION2.format("slowonly"), 75.07, 91.69)],
    "slowonly_r50_8x8_imagenet_nl5_mmaction2": [(MMACTION2.format("slowonly"), 76.65, 92.47)],
    "slowonly_r50_8x8_nl5": [("GCNet, Slow-only table", 75.95, 92.29)],
    "slowonly_r50_8x8_snl5": [("GCNet, Slow-only table", 75.76, 92.44)],
    "slowonly_r50_8x8_se_all": [],
    "slowonly_r50_8x8_eca_all": [],
    "i3d_r50_32x2_nl5_dot_product": [(MMACTION2.format("i3d"), 74.80, 92.07)],
    "i3d_r50_32x2_nl5_embedded_gaussian": [(MMACTION2.format("i3d"), 74.73, 91.80)],
    "i3d_r50_32x2_nl5_gaussian": [(MMACTION2.format("i3d"), 73.97, 91.33)],
    "i3d_r50_8x8_nl5_pyslowfast": [(ZOO, 74.0, 91.1)],
    "c2d_r50_32x2_nl1_gaussian": [(PAPER.format("a"), 72.5, 90.2)],
    "c2d_r50_32x2_nl1_embedded_gaussian": [(PAPER.format("a"), 72.7, 90.5)],
    "c2d_r50_32x2_nl1_dot_product": [(PAPER.format("a"), 72.9, 90.3)],
    "c2d_r50_32x2_nl1_concatenation": [(PAPER.format("a"), 72.8, 90.5)],
    "c2d_r50_32x2_nl5": [(PAPER.format("c"), 73.8, 91.0), (NONLOCAL, 73.9, 91.0)],
    "c2d_r50_32x2_nl10": [(PAPER.format("c"), 74.3, 91.2)],
    "c2d_r101_32x2_nl5": [(PAPER.format("c"), 75.1, 91.7)],
    "c2d_r50_32x2_nl1_res2": [(PAPER.format("b"), 72.7, 90.3)],
    "c2d_r50_32x2_nl1_res3": [(PAPER.format("b"), 72.9, 90.4)],
    "c2d_r50_32x2_nl1_res5": [(PAPER.format("b"), 72.3, 90.1)],
    "c2d_r101_32x2_nl1": [(PAPER.format("c"), 74.3, 91.3)],
    "c2d_r50_32x2_nl5_space": [(PAPER.format("d"), 72.9, 90.8)],
    "c2d_r50_32x2_nl5_time": [(PAPER.format("d"), 73.1, 90.5)],
    "i3d_r50_32x2_nl5": [(PAPER.format("f"), 74.9, 91.6), (NONLOCAL, 74.9, 91.6)],
    "i3d_r101_32x2_nl5": [(PAPER.format("f"), 76.0, 92.1)],
    "c2d_r50_8x8_nl5": [(NONLOCAL, 74.4, 91.4)],
    "i3d_r50_8x8_nl5": [(NONLOCAL, 74.7, 91.6)],
}
RECALLED = {"GCNet, Slow-only table"}  # the paper's text was not at hand


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, object]]:
    """What ``gcvideo models --json`` prints."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["models", "--json"]) == 0
    found: list[dict[str, object]] = json.loads(out.getvalue())
    return found


def test_published_figures_are_those_of_the_sources(catalogue: list[dict[str, object]]) -> None:
    listed = {
        str(entry["name"]).removeprefix(K): [(row["source"], row["top1"], row["top5"]) for row in entry["published"]]  # type: ignore[attr-defined]
        for entry in catalogue
    }
    assert listed == PUBLISHED


def test_views_are_those_of_the_sources(catalogue: list[dict[str, object]]) -> None:
    for entry in catalogue:
        for row in entry["published"]:  # type: ignore[attr-defined]
            views = {"Non-local paper": "10, fully convolutional, 256 px", MMACTION2.format("c2d"): "10 x 3, 224 px"}
            assert row["views"] == views.get(row["source"].partition(", table")[0], "10 x 3, 256 px")


def test_recalled_figures_are_marked_and_no_others(catalogue: list[dict[str, object]]) -> None:
    rows = [row for entry in catalogue for row in entry["published"]]  # type: ignore[attr-defined]
    assert {row["source"] for row in rows if row["mark"] == "M"} == RECALLED
    assert {row["source"] for row in rows if row["mark"] is None} & RECALLED == set()


def test_nothing_is_called_reproduced_that_was_not_run(catalogue: list[dict[str, object]]) -> None:
    assert {entry["status"] for entry in catalogue} == {"not run here"}
    assert {entry["measured"] for entry in catalogue} == {None}
    with pytest.raises(ValueError, match="so measured must be given"):
        Catalogue("a recipe", status="reproduced")
    with pytest.raises(ValueError, match="so measured must not be given"):
        Catalogue("a recipe", measured="75 %")


def test_catalogue_has_the_counts_of_the_networks(catalogue: list[dict[str, object]]) -> None:
    entry = next(entry for entry in catalogue if entry["name"] == f"{K}slowonly_r50_8x8")
    assert entry["config"] == f"{K}slowonly_r50_8x8.yaml"
    assert entry["clip"] == "8x8"
    assert entry["params"] == 32_454_096
    assert [round(int(str(entry[key])) / 1e9, 2) for key in ("macs_224", "macs_256")] == [41.74, 54.52]
    assert "mmaction2" in str(entry["source"])


def test_table_marks_what_was_recalled_and_says_its_conventions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcvideo.commands._configs.config_names", lambda: [f"{K}slowonly_r50_8x8_gc_all", "demo"])
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("kinetics400/")]) == 1
    assert "76.0 / 92.34 [M]" in lines[1]
    assert "not run here" in lines[1]
    assert any(line.startswith("G MACs: multiply-adds of one clip at 224 and 256 px") for line in lines)


def test_drawing_shows_stages_shapes_and_where_blocks_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", f"{K}slowonly_r50_8x8_gc5"]) == 0
    drawn = capsys.readouterr().out
    assert "34,300,373 parameters, 41.77 G MACs" in drawn
    assert "clip  3 x 8 x 224 x 224" in drawn
    block = "\n      |   + gc: GlobalContext after_1x1"
    assert f"blocks 1 3: 1x1x1 128, 1x3x3 128, 1x1x1 512{block}\n      |-> 512 x 8 x 28 x 28" in drawn
    assert f"blocks 1 3 5: 3x1x1 256, 1x3x3 256, 1x1x1 1024{block}" in drawn
    assert drawn.count("+ gc: GlobalContext") == 2
    assert "-> 400 classes" in drawn


def test_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "slowonly_r50_8x8_gc5"]) == 2
    assert "did you mean kinetics400/slowonly_r50_8x8_gc5?" in capsys.readouterr().err

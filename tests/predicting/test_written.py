from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gcvideo.errors import InputError
from gcvideo.predicting.prediction import Prediction, Unpredicted
from gcvideo.predicting.timeline import draw_timeline, write_segments
from gcvideo.predicting.written import MadeFiles, replace_file, write_outcomes

ODD = os.fsdecode(b"=caf\xe9.mp4")  # Latin-1, as an old disk has it: no UTF-8
LABEL = "+r\ud800"  # a class whose name no bytes stand for
SEEN = Prediction(ODD, (LABEL, "b"), (0.75, 0.25), (0.75, 0.25), "@damage", 0.0, 1.0)
OUTCOMES = (SEEN, Unpredicted("-gone.mp4", "\tno file"))
MADE = MadeFiles({ODD: Path("-drawn/1.mp4")}, {ODD: Path("times/1.png")})


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_csv_is_valid_and_holds_no_formula(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "o.csv", OUTCOMES, {}, top=2, made=MADE)
    seen, gone = _rows(tmp_path / "o.csv")
    assert seen["path"] == "'=caf\\udce9.mp4"
    assert (seen["label_1"], seen["probability_1"], seen["damage"]) == ("'+r\\ud800", "0.75", "'@damage")
    assert (seen["annotated"], seen["timeline"]) == ("'-drawn/1.mp4", "times/1.png")
    assert (gone["path"], gone["failure"]) == ("'-gone.mp4", "'\tno file")
    assert (gone["annotated"], gone["timeline"]) == ("", "")


def test_json_is_valid_and_says_which_files_belong_to_a_video(tmp_path: Path) -> None:
    write_outcomes(tmp_path / "o.json", OUTCOMES, {"classes": [LABEL, "b"]}, top=2, made=MADE)
    content: dict[str, Any] = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    seen, gone = content["videos"]
    assert content["classes"][0] == seen["top"][0]["label"] == "+r\\ud800"
    assert (seen["path"], seen["start"], seen["top"][1]) == (
        "=caf\\udce9.mp4",
        0.0,
        {"label": "b", "probability": 0.25},
    )
    assert (seen["annotated"], seen["timeline"]) == ("-drawn/1.mp4", "times/1.png")
    assert (gone["failure"], gone["annotated"], gone["timeline"]) == ("\tno file", "", "")


def test_segments_and_their_picture_take_any_name(tmp_path: Path) -> None:
    write_segments(tmp_path / "new" / "s.csv", [SEEN], (LABEL, "b"))
    draw_timeline(tmp_path / "new" / "s.png", [SEEN], (LABEL, "b"))
    assert _rows(tmp_path / "new" / "s.csv")[0]["label_1"] == "'+r\\ud800"
    assert (tmp_path / "new" / "s.png").read_bytes().startswith(b"\x89PNG")


def test_file_that_cannot_be_written_leaves_nothing_and_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()  # it cannot take the place of a folder that is there
    with pytest.raises(InputError, match=r"folder: cannot be written \("):
        replace_file(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

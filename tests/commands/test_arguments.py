"""Commands beside fit, validate and test that are called wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.cli import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "--bogus"], "unknown option --bogus; did you mean '--out'?; gcvideo index --help"),
        (["index", "x", "--num_workrs=3"], "unknown option --num_workrs; did you mean '--num_workers'?"),
        (["index"], "the following arguments are required: source; gcvideo index --help"),
        (["demo", "--num_trian", "3"], "unknown option --num_trian; did you mean '--num_train'?"),
        (["demo", "--save_every_step=3"], "unknown option --save_every_step; did you mean '--save_every_steps'?"),
        (["count", "--config=demo", "--btach_size=3"], "unknown option --btach_size; did you mean '--batch_size'?"),
        (["prepare", "a", "b", "--gopp=3"], "unknown option --gopp; did you mean '--gop'?"),
        (["prepare", "a", "b", "c"], "one argument too many: c; gcvideo prepare --help"),
        (["prepare", "a", "b", "--gop=x"], "argument --gop: invalid int value: 'x'; gcvideo prepare --help"),
        (["doctor", "--bogus"], "unknown option --bogus; gcvideo doctor --help"),
    ],
)
def test_wrong_call_is_one_line_with_the_word_that_was_meant(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gcvideo: error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == [], "nothing is written"

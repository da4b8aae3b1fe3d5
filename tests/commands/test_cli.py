from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import gcvideo
from gcvideo.cli import command_names, run

COMMANDS = "benchmark compare count demo doctor export fit index models predict prepare preview test validate".split()


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("option", ["--help", "--version", "fitt"])
def test_light_commands_import_nothing_heavy(option: str) -> None:
    """What makes them come in an instant: measured, 0.03 s."""
    heavy = "torch", "numpy", "lightning", "jsonargparse", "av", "rich"
    result = _python(
        f"import sys; from gcvideo.cli import run; run([{option!r}]); "
        f"print('loaded', [name for name in {heavy} if name in sys.modules])"
    )
    assert result.stdout.splitlines()[-1] == "loaded []", result.stderr


def test_help_lists_every_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert command_names() == COMMANDS
    for name in command_names():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.split()) > 4


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run([name, "--help"])
    assert stop.value.code == 0
    assert f"usage: gcvideo {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["fit", "validate"])
def test_help_says_what_options_do_here(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lightning's own words are of registries, TensorBoard and random seeds, of which there are none."""
    with pytest.raises(SystemExit):
        run([name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--ckpt_path CKPT_PATH A checkpoint of a run: a file, or last or best, which are those of --run_dir" in text
    assert "--seed_everything SEED_EVERYTHING The seed of everything that is drawn" in text
    assert "--trainer.logger+ LOGGER null or true: a W&B run in the run folder" in text
    for untrue in ("Path/URL", '"registry"', "TensorBoardLogger``", "random seed", "a default ModelCheckpoint"):
        assert untrue not in text


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"gcvideo {gcvideo.__version__}\n"


def test_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validat"]) == 2
    error = capsys.readouterr().err
    assert (
        error == "gcvideo: error: unknown command 'validat'; did you mean 'validate'?; gcvideo --help lists them all\n"
    )


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["index", "/nowhere/at/all"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run(["index", "/nowhere/at/all", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_error_that_nothing_explains_is_two_lines_and_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: list[str]) -> int:
        raise ZeroDivisionError("a\x1b[31m nought\nsecond line")

    monkeypatch.setattr("gcvideo.commands.doctor.main", broken)
    assert run(["doctor"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "gcvideo: error: ZeroDivisionError: a\\x1b[31m nought"
    kept = Path(second.removeprefix("  gcvideo does not know this one; its traceback is in "))
    assert "in broken" in kept.read_text()
    kept.unlink()


def test_error_that_nothing_explains_is_told_where_its_traceback_has_no_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(arguments: list[str]) -> int:
        raise ZeroDivisionError("a nought")

    monkeypatch.setattr("gcvideo.commands.doctor.main", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert run(["doctor"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "gcvideo: error: ZeroDivisionError: a nought"
    assert second.endswith("see its traceback with --debug, as the temporary folder cannot be written to")


def test_reader_that_has_seen_enough_is_no_error() -> None:
    ask = f"set -o pipefail; {sys.executable} -m gcvideo models show demo | head -n 1"
    shown = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False)
    assert shown.stdout.startswith("demo: 764,517 parameters")
    assert shown.stderr == ""


@pytest.mark.parametrize(("shell", "mark"), [("bash", "COMPREPLY"), ("zsh", "#compdef gcvideo")])
def test_completion_knows_commands_and_options(shell: str, mark: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([f"--print_completion={shell}"]) == 0
    script = capsys.readouterr().out
    for word in (mark, "doctor", "--ckpt_path", "--trainer.max_epochs", "--difficulty", "--run_dir"):
        assert word in script


def test_completion_script_completes_in_bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--print_completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    ask = f"source {tmp_path}/script; COMP_WORDS=(gcvideo do); COMP_CWORD=1; _shtab_gcvideo; echo ${{COMPREPLY[@]}}"
    answer = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["doctor"]


def test_doctor_names_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    report = capsys.readouterr().out
    for word in ("torch", "decoders", "h264", "W&B", "free", "all that training needs is here"):
        assert word in report


def test_index_reports_classes_and_what_to_type_next(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (videos / "train" / "run" / "broken.mp4").write_text("<html>")
    assert run(["index", str(videos), "--out", str(tmp_path / "m.csv")]) == 0
    report = capsys.readouterr().out
    assert "class   train     val\njump        8       3\nrun         8       3\n" in report
    assert "broken.mp4: cannot be decoded: Invalid data" in report
    assert f"gcvideo fit --config folder --data.manifest {tmp_path}/m.csv" in report

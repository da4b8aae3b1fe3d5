from __future__ import annotations

from pathlib import Path

import pytest

from gcvideo.data.labels import find_classes, number_labels
from gcvideo.errors import InputError


def test_shipped_lists_have_the_published_number_of_classes() -> None:
    assert len(find_classes("ucf101")) == 101
    assert len(find_classes("hmdb51")) == 51
    assert find_classes("ucf101")[0] == "ApplyEyeMakeup"


def test_shipped_list_names_the_folders_of_the_real_data(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "train").iterdir()} <= set(find_classes("ucf101"))


def test_list_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("b\na\n")
    assert find_classes(str(tmp_path / "mine.txt")) == ("b", "a")


def test_unknown_list_names_the_shipped_ones() -> None:
    with pytest.raises(InputError, match=r"'ucf': no such file, and not a shipped list \(hmdb51, .*ucf101\)"):
        find_classes("ucf")


@pytest.mark.parametrize(
    "content", ['["b", "a"]', '{"a": 1, "b": 0}', '{"\\"b\\"": 0, "a": "1"}']
)  # the last as pytorchvideo's kinetics_classnames.json has it
def test_list_may_be_json(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    assert find_classes(str(tmp_path / "mine.json")) == ("b", "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not JSON"), ('{"a": 1}', "with the numbers from 0 on"), ("[]", "expected"), ('["a", "a"]', "none twice")],
)
def test_json_that_is_no_class_list_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(InputError, match=message):
        find_classes(str(tmp_path / "mine.json"))


def _written(*labels: str) -> list[tuple[str, str]]:
    return [(f"line {number}", label) for number, label in enumerate(labels, 1)]


def test_names_are_sorted_and_numbers_keep_their_value() -> None:
    assert number_labels(_written("run", "jump", "run"), None) == (("jump", "run"), [1, 0, 1], [])
    assert number_labels(_written("2", "0", "1.0"), None) == (("0", "1", "2"), [2, 0, 1], [])


def test_number_without_a_video_is_a_remark_and_most_of_them_a_mistake() -> None:
    classes, numbers, notes = number_labels(_written("1", "2", "4"), None)
    assert (classes, numbers) == (("0", "1", "2", "3", "4"), [1, 2, 4])
    assert notes == ["no video has the label 0, 3 (2 of the numbers 0 to 4)"]
    with pytest.raises(InputError, match="labels are 2 of the numbers 0 to 5; number them from 0 on"):
        number_labels(_written("1", "5"), None)


def test_digits_are_a_name_only_where_the_class_list_has_them() -> None:
    assert number_labels(_written("7", "goal"), ("goal", "7"))[1] == [1, 0]
    assert number_labels(_written("1", "0"), ("goal", "save"))[1] == [1, 0]
    with pytest.raises(InputError, match=r"line 2: class '1' is not in the class list \(2 names; first 'goal'\)"):
        number_labels(_written("7", "1"), ("goal", "7"))


@pytest.mark.parametrize("classes", [None, ("goal", "save")])
def test_numbers_and_names_mixed_are_refused_naming_both(classes: tuple[str, ...] | None) -> None:
    message = r"mixed: 7 \(line 2\) and 'goal' \(line 1\); write one or the other, or, if the number is a name"
    with pytest.raises(InputError, match=message):
        number_labels(_written("goal", "7"), classes)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("2", r"line 1: label 2; expected 0 to 1, as the class list has 2 names"),
        ("-1", "line 1: label -1; expected 0 to 1"),
        ("gaol", r"line 1: class 'gaol' is not in the class list \(2 names; first 'goal'\)"),
        ("goals", r"line 1: class 'goals' is not in the class list \(2 names; did you mean 'goal'\?\)"),
    ],
)
def test_label_outside_the_class_list_is_refused(label: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        number_labels(_written(label), ("goal", "save"))


def test_names_that_differ_only_in_case_need_a_class_list() -> None:
    with pytest.raises(InputError, match="classes 'Run' and 'run' differ only in case; rename one"):
        number_labels(_written("run", "Run"), None)
    assert number_labels(_written("run", "Run"), ("Run", "run"))[1] == [1, 0]

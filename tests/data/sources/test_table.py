from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcvideo.data.annotations import read_annotations
from gcvideo.errors import InputError
from tests.data.sources.conftest import Read, Touch, Write

NAMES = ["a b.mp4", 'say "hi".mp4', "a, b.mp4", "two\nlines.mp4", "über.mp4", "$(touch x).mp4", "a;b.mp4"]


def _rows(found: object) -> list[tuple[str, int, str]]:
    return [(path.name, label, split) for path, label, split, *_ in found.entries]  # type: ignore[attr-defined]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_columns_are_found_by_name_in_any_order_and_case(
    touch: Touch, write: Write, read: Read, separator: str
) -> None:
    touch("a.mp4", "b.mp4")
    lines = [["Label", "Path", "Split"], ["run", "a.mp4", "training"], ["jump", "b.mp4", "validation"]]
    found = read(write("list.csv", "\n".join(separator.join(line) for line in lines)))
    assert found.classes == ("jump", "run")
    assert _rows(found) == [("a.mp4", 1, "train"), ("b.mp4", 0, "val")]


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_survives_csv_and_json(touch: Touch, write: Write, read: Read, name: str) -> None:
    touch(name, "x.mp4")
    quoted = name.replace('"', '""')
    csv_found = read(write("a.csv", f'path,label\n"{quoted}",run\nx.mp4,jump\n'))
    json_found = read(write("a.json", json.dumps([{"path": name, "label": "run"}, {"path": "x.mp4", "label": "jump"}])))
    assert _rows(csv_found) == _rows(json_found) == [(name, 1, "train"), ("x.mp4", 0, "train")]
    assert csv_found.entries[0].path.exists()


def test_parts_of_a_file_have_start_and_end_in_seconds(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4")
    found = read(write("l.csv", "path,label,start,end\na.mp4,run,0,2.5\na.mp4,jump,2.5,\n"))
    assert [(entry.label, entry.start, entry.end) for entry in found.entries] == [(1, 0.0, 2.5), (0, 2.5, None)]


@pytest.mark.parametrize(
    "content",
    [
        '[{"video": "a.mp4", "class": "run"}, {"video": "b.mp4", "class": "jump"}]',
        '[\n  {\n    "video": "a.mp4",\n    "class": "run"\n  },\n  {"video": "b.mp4", "class": ["jump"]}\n]\n',
        '{"video": "a.mp4", "class": "run"}\n\n{"video": "b.mp4", "class": "jump"}\n',
    ],
)
def test_json_is_a_list_of_objects_or_an_object_a_line(touch: Touch, write: Write, read: Read, content: str) -> None:
    touch("a.mp4", "b.mp4")
    assert _rows(read(write("l.json", content))) == [("a.mp4", 1, "train"), ("b.mp4", 0, "train")]


def test_folder_of_pictures_takes_the_rate_of_its_row(touch: Touch, write: Write, read: Read) -> None:
    touch("a/1.jpg", "b/1.jpg", "c.mp4")
    found = read(write("l.csv", "path,label,fps\na,run,30\nb,jump,\nc.mp4,run,50\n"), fps=12)
    assert [entry.fps for entry in found.entries] == [30, 12, 0]


def test_byte_order_mark_and_windows_line_ends_do_no_harm(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    found = read(write("l.csv", b"\xef\xbb\xbfpath,label\r\na.mp4,run\r\nb.mp4,jump\r\n"))
    assert _rows(found) == [("a.mp4", 1, "train"), ("b.mp4", 0, "train")]


def test_columns_that_nothing_reads_have_a_line(touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    path = write("train.csv", "path,label,splt\na.mp4,run,val\nb.mp4,jump,val\n")
    assert read(path).notes == (f"{path}: columns that are not read: splt",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\n", "l.csv: no video is listed in it, there is only a header"),
        ("path,label\na.mp4,run\nb, c.mp4,run\n", r"line 3: 3 columns where the header has 2; put a name .*quotes"),
        ("path,label,label\na.mp4,0,1\n", "l.csv: there are two columns label; rename one"),
        ("path,label\na.mp4\n", "line 2: 1 columns where the header has 2"),
        ("path,label\na.mp4,\n", "line 2: no label"),
        ("path,label\n,run\n", "line 2: no path"),
        ('path,label\n"a.mp4,run\n', "line 2: unexpected end of data; close the quotes"),
        ("path,label,split\na.mp4,run,dev\n", "line 2: split is 'dev', expected one of train, val, test"),
        ("path,label,start\na.mp4,run,0:05\n", "line 2: start is '0:05', expected a number"),
        ("path,label,start,end\na.mp4,run,5,5\n", "line 2: end 5 is not after start 5; expected seconds"),
        ("path,label,start_frame\na.mp4,run,5\n", "column start_frame counts frames; give seconds"),
        ("path,label\na.mp4,run;jump\n", "line 2: label is 'run;jump'; several labels for a video are not supported"),
        ("path,label\na.mp4,run\na.mp4,jump\n", r"line 3: .*a.mp4 has the label 'jump' here and 'run' in .*, line 2"),
        ("path,label\ns3://bucket/a.mp4,run\n", "line 2: s3://bucket/a.mp4 is on the network; fetch it first"),
        ('[{"path": "a.mp4", "label": ["run", "jump"]}]', r"entry 1: label is \['run', 'jump'\]; several labels"),
        ('[{"path": "a.mp4", "label": true}]', "entry 1: label is True, expected a class name or a number"),
        ('[{"path": "a.mp4", "label": "run"}, 3]', "entry 2: expected an object such as"),
        ('[{"path": "a.mp4", "label": "run"},]', "line 1: not JSON"),
        ('{"path": "a.mp4", "label": "run"}\n{"path": "b.mp4"', "line 2: not JSON"),
        ('[{"path": "a.mp4", "label": "run"}, {"path": "b.mp4"}]', "entry 2: no label"),
    ],
)
def test_mistake_is_named_with_its_line(touch: Touch, write: Write, read: Read, content: str, message: str) -> None:
    touch("a.mp4", "b.mp4")
    with pytest.raises(InputError, match=message):
        read(write("l.csv", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "path,label\nä.mp4,run\n".encode("utf-16"),
            "not UTF-8 but UTF-16; save it as UTF-8: iconv -t UTF-8 -f",
        ),
        ("path,label\nä.mp4,run\n".encode("utf-16-le"), "not UTF-8 but UTF-16"),
        ("path,label\na.mp4,run\nä.mp4,run\n".encode("latin-1"), "l.csv, line 3: not UTF-8; save it as UTF-8: iconv"),
        (b"", "l.csv: no video is listed in it; it is empty"),
        (b"\n \n", "l.csv: no video is listed in it; it is empty"),
    ],
)
def test_text_that_is_not_utf8_is_refused_with_the_cure(write: Write, read: Read, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write("l.csv", content))


def test_manifest_is_not_a_source(write: Write, read: Read) -> None:
    path = write("m.csv", "path,label,split,readers,first_frame,num_frames,modified_ns\na.mp4,run,train,x,0,1,2\n")
    with pytest.raises(InputError, match=r"m.csv: this is a manifest already; .*gcvideo fit --data.manifest"):
        read(path)


def test_lists_of_a_folder_have_the_split_of_their_name(tmp_path: Path, touch: Touch, write: Write, read: Read) -> None:
    touch("a.mp4", "b.mp4")
    write("train.csv", "path,label\na.mp4,run\nb.mp4,jump\n")
    write("validation.tsv", "path\tlabel\nb2.mp4\tjump\n")
    found = read(tmp_path)
    assert [split for _, _, split, *_ in found.entries] == ["train", "train", "val"]
    assert found.notes == (
        f"1 of 3 listed videos are missing, the first: {tmp_path}/b2.mp4 ({tmp_path}/validation.tsv, line 2)",
    )


@pytest.mark.parametrize("label", ['"0,1"', '"[0, 1]"', "a;b", "a|b"])
def test_several_labels_in_a_cell_are_refused(tmp_path: Path, label: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "list.csv").write_text(f"path,label\na.mp4,{label}\n")
    with pytest.raises(InputError, match=r"list.csv, line 2: label is .* several labels for a video are not supported"):
        read_annotations([tmp_path / "list.csv"])


def test_overlap_of_training_and_evaluation_is_refused_and_of_labels_noted(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    path = tmp_path / "list.csv"
    path.write_text("path,label,split,start,end\na.mp4,x,train,0,10\na.mp4,y,val,9,15\n")
    with pytest.raises(InputError, match=r"line 3: a part of .*a.mp4 is for val here and overlaps with one for train"):
        read_annotations([path])
    path.write_text("path,label,split,start,end\na.mp4,x,train,0,10\na.mp4,y,val,10,15\na.mp4,z,val,12,16\n")
    (note,) = [note for note in read_annotations([path]).notes if "overlap" in note]
    assert note.startswith("1 pairs of parts overlap and have different labels")

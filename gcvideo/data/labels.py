"""From what people write for a class (a name, a number) to label numbers, with a class list or without."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gcvideo.data.manifest import read_classes
from gcvideo.errors import InputError, is_control

_SHIPPED = Path(__file__).parents[1] / "labels"
_NUMBER = re.compile(r"-?[0-9]+(\.0+)?")  # pandas writes 3.0 for 3
_SHOWN = 5

Written = Sequence[tuple[str, str]]
"""Where a label stands (file and line), and what stands there."""


def find_classes(name_or_file: str | Sequence[str]) -> tuple[str, ...]:
    """The class names of a shipped list such as ``ucf101``, or of a file; names themselves are given back.

    The file is a text with a name a line, or a JSON with a list of names or with the number of each name.

    Raises:
        InputError: if it is neither; the message lists the shipped names.
    """
    if not isinstance(name_or_file, str):
        return tuple(name_or_file)
    path = Path(name_or_file).expanduser()
    if path.is_file():
        return _read_json(path) if path.suffix.lower() == ".json" else read_classes(path)
    shipped = _SHIPPED / f"{name_or_file}.txt"
    if shipped.is_file():
        return read_classes(shipped)
    names = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.txt")))
    raise InputError(f"class list {name_or_file!r}: no such file, and not a shipped list ({names})")


def number_labels(written: Written, classes: tuple[str, ...] | None) -> tuple[tuple[str, ...], list[int], list[str]]:
    """The class names, a label number for each label that is written, and notes.

    Without a class list, names are sorted, and numbers keep their value: they name the classes "0", "1", ... With a
    list, a number is a position in it, from 0; digits are a name where the list has names of digits.

    Raises:
        InputError: if numbers and names are mixed, a label is not in the list, or cannot be a class name, or two names
            differ only in case, or most numbers have no video.
    """
    if classes is not None and any(map(_NUMBER.fullmatch, classes)):
        return classes, [_position(where, label, classes) for where, label in written], []
    _check_not_mixed(written)
    if _NUMBER.fullmatch(written[0][1]):
        numbers = [_number(where, label, classes) for where, label in written]
        notes = [] if classes else _gaps(numbers)
        return classes or tuple(map(str, range(max(numbers) + 1))), numbers, notes
    if classes is not None:
        return classes, _positions(written, classes), []
    names = tuple(sorted({label for _, label in written}))
    _check_names(written)
    refuse_names_alike(names)
    places = {name: number for number, name in enumerate(names)}
    return names, [places[label] for _, label in written], []


def refuse_names_alike(names: Iterable[str]) -> None:
    """Two names that differ only in case are almost always one class, misspelt; a class list allows them.

    Raises:
        InputError: naming both.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(
                f"classes {other!r} and {name!r} differ only in case; rename one, or, if both are meant, "
                "name both in a class list (--classes FILE; fit: --data.classes)"
            )


def can_be_a_name(name: str) -> bool:
    """Whether a class name can stand on a line of its own in a text file."""
    return bool(name) and name == name.strip() and not name.startswith("#") and not any(map(is_control, name))


def _read_json(path: Path) -> tuple[str, ...]:
    """``["run", ...]`` or ``{"run": 0, ...}``; some published files have quotes within the names."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if isinstance(content, dict) and sorted(map(str, content.values())) == sorted(map(str, range(len(content)))):
        content = sorted(content, key=lambda name: int(content[name]))
    if not isinstance(content, list) or not content or not all(isinstance(name, str) for name in content):
        raise InputError(f'{path}: expected ["run", "jump"] or {{"run": 0, "jump": 1}} with the numbers from 0 on')
    names = tuple(name.strip('"') for name in content)
    if len(set(names)) < len(names) or not all(map(can_be_a_name, names)):
        raise InputError(f"{path}: expected class names of one line each, none twice")
    return names


def _check_not_mixed(written: Written) -> None:
    number = next(((where, label) for where, label in written if _NUMBER.fullmatch(label)), None)
    name = next(((where, label) for where, label in written if not _NUMBER.fullmatch(label)), None)
    if number and name:
        raise InputError(
            f"labels are numbers and names mixed: {number[1]} ({number[0]}) and {name[1]!r} ({name[0]}); "
            "write one or the other, or, if the number is a name, name it in a class list (--classes FILE)"
        )


def _number(where: str, label: str, classes: tuple[str, ...] | None) -> int:
    number = int(label.partition(".")[0])
    if number < 0 or (classes and number >= len(classes)):
        expected = f"0 to {len(classes) - 1}, as the class list has {len(classes)} names" if classes else "0 or more"
        raise InputError(f"{where}: label {label}; expected {expected}")
    return number


def _gaps(numbers: list[int]) -> list[str]:
    """Numbers without a video are a remark, and a mistake where they are most."""
    used, total = set(numbers), max(numbers) + 1
    if total > 2 * len(used):
        raise InputError(
            f"labels are {len(used)} of the numbers 0 to {total - 1}; number them from 0 on, "
            "or name all classes in a class list (--classes FILE)"
        )
    missing = [number for number in range(total) if number not in used]
    shown = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
    return [f"no video has the label {shown} ({len(missing)} of the numbers 0 to {total - 1})"] if missing else []


def _positions(written: Written, classes: tuple[str, ...]) -> list[int]:
    places = {name: number for number, name in enumerate(classes)}
    for where, label in written:
        if label not in places:
            _position(where, label, classes)
    return [places[label] for _, label in written]


def _position(where: str, label: str, classes: tuple[str, ...]) -> int:
    if label in classes:
        return classes.index(label)
    if _NUMBER.fullmatch(label) and (number := str(int(label.partition(".")[0]))) in classes:
        return classes.index(number)
    near = difflib.get_close_matches(label, classes, n=1, cutoff=0.8)
    meant = f"did you mean {near[0]!r}?" if near else f"first {classes[0]!r}"
    raise InputError(
        f"{where}: class {label!r} is not in the class list ({len(classes)} names; {meant}); correct one of them"
    )


def _check_names(written: Written) -> None:
    for where, label in written:
        if not can_be_a_name(label):
            raise InputError(
                f"{where}: {label!r} cannot be a class name (no blank at its ends, no # in front, no line breaks)"
            )

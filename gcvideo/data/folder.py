"""Labelled videos of any source that says everything by itself, such as a folder per class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gcvideo.data.annotations import Annotations, SourceOptions, read_annotations
from gcvideo.data.checks import check_known
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.data.indexing.index import cached_manifest_path
from gcvideo.data.labels import find_classes
from gcvideo.data.manifest import Manifest
from gcvideo.errors import InputError


class VideoFolder(VideoDataModule):
    """Videos in ``root/CLASS/``, or in ``root/train/CLASS/`` with ``val`` and ``test`` beside it.

    Args:
        root: the folder, or a list that ``gcvideo index`` reads without options; it is indexed at the first use (every
            video is decoded once) and may be read-only. A source that needs options is indexed with ``gcvideo index``.
        classes: name of a shipped class list (such as ucf101) or a file with a class name a line, to fix the order of
            the labels; without it the order is that of the source, or that of the sorted names. Or the names
            themselves, as a checkpoint has them: the videos of a manifest then get their numbers by name.
        kwargs: see VideoDataModule.

    Raises:
        InputError: if neither ``root`` nor ``manifest`` is given, or both, or the manifest has other classes than
            ``classes``, or the source holds a mistake.
    """

    def __init__(self, root: str | None = None, classes: str | list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not root and not self.manifest_file:
            raise InputError("no videos named: give the folder with --data.root=FOLDER (it holds a folder per class)")
        if self.manifest_file is not None and root:
            raise InputError("data.manifest names the videos already: leave data.root out")
        self.root = Path(root).expanduser() if root else None
        self.class_list = classes
        if self.manifest_file is not None and isinstance(classes, str) and find_classes(classes) != self.classes:
            raise InputError(
                f"the classes of {self.manifest_file} are not those of data.classes ({classes}), in the same order; "
                "leave data.classes out with --data.classes=null, or index the videos with it"
            )

    @property
    def classes_are_given(self) -> bool:
        """With a manifest, or a class list."""
        return super().classes_are_given or bool(self.class_list)

    def manifest(self) -> Manifest:
        """The verified list, with the labels of the class names where these are given themselves.

        Raises:
            InputError: if it has videos of another class.
        """
        if self._manifest is None and isinstance(self.class_list, list):
            self._manifest = _numbered(super().manifest(), find_classes(self.class_list), str(self.source))
        return super().manifest()

    @property
    def source(self) -> Path:
        """The manifest, else the folder."""
        return super().source if self.root is None else self.root

    def annotations(self) -> Annotations:
        """The files and labels of the source."""
        assert self.root is not None
        classes = find_classes(self.class_list) if self.class_list else None
        return read_annotations([self.root], SourceOptions(classes=classes))

    def manifest_path(self) -> Path:
        """In the user's cache, as the folder may be read-only."""
        assert self.root is not None
        return cached_manifest_path(self.root)


def _numbered(manifest: Manifest, classes: tuple[str, ...], where: str) -> Manifest:
    """With labels that are positions in other classes; those without a video need not be among them."""
    used = {manifest.classes[record.label] for record in manifest.records}
    check_known(used, classes, where)
    places = {name: label for label, name in enumerate(classes)}
    records = (replace(record, label=places[manifest.classes[record.label]]) for record in manifest.records)
    return Manifest(classes, tuple(records), manifest.bad)

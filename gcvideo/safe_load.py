"""Reads a file that torch wrote: whether it is whole, and without running anything that stands in it."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import torch

from gcvideo.errors import InputError

# A file of torch.save is a zip, which ends with a record of 22 bytes; its last two are the length of a comment behind
# it (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.16). Torch writes no comment; ours is the digest
# of the file without it, so that a file and its digest are one file, and every reader of zips skips it.
END_SIGNATURE, END_BYTES = b"PK\5\6", 22
_PREFIX = b"gcvideo sha256 "
_COMMENT_BYTES = len(_PREFIX) + 64
_CHUNK_BYTES = 1 << 20


class UnreadableFile(InputError):
    """A file that is damaged, or that is not what it should be.

    Args:
        what: how the message calls the file, such as ``checkpoint``.
        path: the file.
        reason: what is wrong, such as ``is empty``; also an attribute.
    """

    def __init__(self, what: str, path: Path, reason: str) -> None:
        super().__init__(f"{what} {path} {reason}; name another one")
        self.reason = reason


def load_safely(path: Path, what: str, *, verify: bool = True) -> Any:
    """The content of a file of weights and plain values, on the processor; large tensors are read when they are used.

    Args:
        path: an existing file.
        what: how the message calls it, such as ``checkpoint``.
        verify: whether its digest is compared first, for which the whole file is read once.

    Raises:
        UnreadableFile: if it is empty, damaged, or holds anything else.
    """
    if path.stat().st_size == 0:
        raise UnreadableFile(what, path, "is empty")
    if verify:
        check_digest(path, what)
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        reason = "is damaged, or holds more than weights and plain values, which is not loaded as it could run code"
        raise UnreadableFile(what, path, reason) from error
    except Exception as error:  # a damaged file is stumbled over in many ways
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnreadableFile(what, path, f"cannot be read: {reason[:120]}") from error


def load_safetensors(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file (https://github.com/huggingface/safetensors), on the processor.

    Args:
        path: an existing file.
        what: how the message calls it.

    Raises:
        UnreadableFile: if it is damaged, or none.
        InputError: if the library is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(f"{what} {path} needs safetensors: pip install 'gcvideo[export]'") from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UnreadableFile(what, path, f"is damaged, or no safetensors file ({error})") from error


def check_digest(path: Path, what: str) -> bool:
    """Whether a file carries the digest of its content, and it is right; a file without one is left to its reader.

    Raises:
        UnreadableFile: if the digest differs, or the end of the file, where it stands, is missing.
    """
    with path.open("rb") as file:
        body_bytes = path.stat().st_size - _COMMENT_BYTES
        end = _last_bytes(file, END_BYTES + _COMMENT_BYTES)
        written = _digest_in(end)
        if written is not None:
            if _digest_of(file, body_bytes) != written:
                raise UnreadableFile(what, path, "is damaged: its digest differs, so bytes have changed in it")
            return True
        ends_as_torch_does = end[-END_BYTES:].startswith(END_SIGNATURE) and end.endswith(b"\0\0")
        if _is_zip(path) and not ends_as_torch_does:
            raise UnreadableFile(what, path, "is damaged: its end is missing or broken, as if it was cut short")
        return False


def digest_comment(digest: str) -> bytes:
    """What stands behind a file with this SHA-256 (64 hexadecimal digits) of what torch wrote."""
    return _PREFIX + digest.encode("ascii")


def _digest_in(end: bytes) -> str | None:
    """The digest at the end of a file; none where the end record or the comment are not as ours are."""
    length = _COMMENT_BYTES.to_bytes(2, "little")
    is_ours = end.startswith(END_SIGNATURE) and end[END_BYTES - 2 :].startswith(length + _PREFIX)
    digest = end[-64:].decode("latin-1")
    return digest if is_ours and len(end) == END_BYTES + _COMMENT_BYTES else None


def _digest_of(file: BinaryIO, body_bytes: int) -> str:
    """The SHA-256 of what torch wrote: all but the comment, of the length 0."""
    digest, left = hashlib.sha256(), body_bytes - 2
    file.seek(0)
    while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
        digest.update(chunk)
        left -= len(chunk)
    digest.update(b"\0\0")
    return digest.hexdigest()


def _last_bytes(file: BinaryIO, count: int) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - count))
    return file.read(count)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"

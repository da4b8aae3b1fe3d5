"""The weights of a checkpoint as a safetensors file, which knows what they are of; `model.pretrained` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from gcvideo import __version__
from gcvideo.exporting.destination import appearing, check_free, destination
from gcvideo.exporting.formats import check_installed
from gcvideo.exporting.sidecar import as_json, origin
from gcvideo.models.network import Network
from gcvideo.predicting.saved_model import SavedModel, load_checkpoint

NAME, SUFFIX = "safetensors", ".safetensors"


def export_weights(saved: SavedModel, out: str | None = None, *, force: bool = False) -> Path:
    """Writes the weights that were validated, under their names in the network, to the last bit.

    The metadata of the file are texts: format (pt), gcvideo (the version), and as JSON classes, preprocessing, network
    (the options that build it), precision, checkpoint (file, sha256, step, epoch).

    Args:
        saved: the model.
        out: the file, or a folder; None is the folder of the checkpoint.
        force: overwrite what is there.

    Raises:
        InputError: if the library is missing, or the place is taken or cannot be written.
    """
    check_installed(NAME, (NAME,))
    from safetensors.torch import save

    path = destination(saved.path, SUFFIX, out)
    check_free([path], force=force)
    weights = {name: tensor.contiguous() for name, tensor in saved.network.state_dict().items()}
    with appearing([path]) as folder:
        (folder / path.name).write_bytes(save(weights, metadata(saved)))
    return path


def metadata(saved: SavedModel) -> dict[str, str]:
    """What the weights are of."""
    options: Mapping[str, Any] = load_checkpoint(saved.path)["hyper_parameters"]
    values = {
        "classes": saved.classes,
        "preprocessing": asdict(saved.preprocessing),
        "network": {name: options[name] for name in signature(Network).parameters if name in options},
        "precision": saved.precision,
        "checkpoint": origin(saved),
    }
    texts = {name: as_json(value) for name, value in values.items()}
    return {"format": "pt", "gcvideo": __version__, **texts}

"""torch's older ONNX exporter, which records one run of the block instead of reading its operations."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch

from tests.models.blocks.catalogue import FAMILY
from tests.models.blocks.test_family import perturbed


@pytest.mark.parametrize("name", [n for n in FAMILY if "subsampled" not in n and n != "ECA-NS"])
def test_older_exporter_gives_the_same_numbers(name: str) -> None:
    """But for ECA-NS: there it names the operator (Unfold) that it does not have."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    block, x = perturbed(FAMILY[name], dtype=torch.float32).eval(), torch.randn(2, 8, 2, 4, 6)
    written = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(block, (x,), written, dynamo=False)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(written.getvalue(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, block(x).detach().numpy(), rtol=1e-4, atol=1e-4)

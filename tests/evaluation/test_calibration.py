from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gcvideo.evaluation.calibration import (
    BINS,
    calibration_error,
    fit_temperature,
    reliability,
    scaled_calibration_error,
    with_temperature,
)


def _answers(number: int, num_classes: int, sharpness: float = 1.0) -> tuple[Tensor, Tensor]:
    """Labels drawn from probabilities, and these made sharper: 1 is calibrated."""
    draw = torch.Generator().manual_seed(number)
    true = (2 * torch.randn(number, num_classes, generator=draw)).softmax(dim=1)
    labels = torch.multinomial(true, 1, generator=draw)[:, 0]
    return with_temperature(true, 1 / sharpness), labels


def _plain_error(probabilities: Tensor, labels: Tensor) -> float:
    """The formula, in a plain loop."""
    confidence, predicted = probabilities.max(dim=1)
    error = 0.0
    for number in range(BINS):
        inside = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if inside.any():
            right = float((predicted == labels)[inside].double().mean())
            error += float(inside.double().mean()) * abs(right - float(confidence[inside].double().mean()))
    return error


@pytest.mark.parametrize("num_classes", [2, 5, 40])
def test_error_is_the_formula_and_that_of_the_bins(num_classes: int) -> None:
    answers = _answers(800, num_classes, sharpness=2)
    bins = reliability(*answers)
    assert calibration_error(*answers) == pytest.approx(_plain_error(*answers), abs=1e-5)
    gaps = (bins.confidence - bins.accuracy).abs()
    assert float((gaps * bins.count).sum() / bins.count.sum()) == pytest.approx(_plain_error(*answers), abs=1e-5)
    assert int(bins.count.sum()) == 800
    assert (bins.confidence.diff() > 0).all()


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_fitted_temperature_undoes_a_known_one(sharpness: float) -> None:
    probabilities, labels = _answers(20_000, 5, sharpness)
    assert fit_temperature(probabilities, labels) == pytest.approx(sharpness, rel=0.05)


def test_fitted_temperature_has_the_least_loss() -> None:
    probabilities, labels = _answers(300, 4, 2.0)

    def loss(temperature: float) -> float:
        scaled = with_temperature(probabilities, temperature)
        return float(-scaled[torch.arange(300), labels].double().log().mean())

    best = fit_temperature(probabilities, labels)
    assert all(loss(best) <= loss(best * factor) + 1e-9 for factor in (0.8, 0.95, 1.05, 1.2))


def test_scaling_makes_an_overconfident_network_honest_and_keeps_its_answers() -> None:
    probabilities, labels = _answers(4000, 5, 3.0)
    groups = torch.arange(4000)
    before, after = calibration_error(probabilities, labels), scaled_calibration_error(probabilities, labels, groups)
    assert before > 0.1
    assert after < before / 3
    scaled = with_temperature(probabilities, 3.0)
    assert torch.equal(scaled.argmax(dim=1), probabilities.argmax(dim=1))
    torch.testing.assert_close(scaled.sum(dim=1), torch.ones(4000))


def test_what_is_all_of_one_group_has_no_error_after_scaling() -> None:
    probabilities, labels = _answers(10, 3)
    assert math.isnan(scaled_calibration_error(probabilities, labels, torch.zeros(10, dtype=torch.long)))


def test_answers_that_are_certain_stand_in_the_last_bin_beside_those_that_nearly_are() -> None:
    """A hundred are certain, of which 90 are right, and a hundred are 95 % sure and right: 0.95 where 0.975 is said."""
    confidence = torch.tensor([1.0] * 100 + [0.95] * 100)
    labels = torch.tensor([0] * 90 + [1] * 10 + [0] * 100)
    assert calibration_error(torch.stack([confidence, 1 - confidence], dim=1), labels) == pytest.approx(0.025, abs=1e-6)


def test_certain_answers_have_finite_numbers() -> None:
    """Also where a probability is exactly zero."""
    probabilities = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1])
    assert calibration_error(probabilities, labels) == pytest.approx(1 / 3)
    assert 0.05 <= fit_temperature(probabilities, labels) <= 20
    assert torch.equal(with_temperature(probabilities, 2.0), probabilities)

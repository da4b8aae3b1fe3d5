"""How many clips and crops of a video are looked at, as a user says it."""

from __future__ import annotations

import re

from gcvideo.data.checks import SMALLEST_CROP_PX
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.errors import InputError
from gcvideo.evaluation.exact_sums import MOST_VIEWS


def parse_views(text: str | None, preprocessing: Preprocessing) -> Views:
    """Clips x crops; without a text those of the validation.

    Args:
        text: such as ``10x3``, with the crop size of the test, or ``10x3@256``, with crops of 256 px.
        preprocessing: of the checkpoint.

    Raises:
        InputError: if it is no such text, or there are no such crops.
    """
    if text is None:
        return preprocessing.val_views
    found = re.fullmatch(r"\s*(\d{1,4})\s*[x×]\s*(\d{1,4})\s*(?:@\s*(\d{1,4})\s*)?", text)
    numbers = [int(number or preprocessing.test_views.crop_px) for number in found.groups()] if found else [0]
    if min(numbers) < 1:
        example = "such as 10x3, or 10x3@256 with crops of 256 px"
        raise InputError(f"views is {text!r}; expected clips x crops, at least 1 of each, {example}", exit_code=2)
    if numbers[0] * numbers[1] > MOST_VIEWS:
        raise InputError(f"views is {text!r}; expected at most {MOST_VIEWS} views of each video", exit_code=2)
    views = Views(*numbers)
    try:
        preprocessing.transform(views)
        if views.crop_px < SMALLEST_CROP_PX:
            raise ValueError(f"expected crops of at least {SMALLEST_CROP_PX} px")
    except ValueError as error:
        raise InputError(f"views is {text!r}: {error}", exit_code=2) from error
    return views

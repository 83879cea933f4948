"""The contact sheet shows every image where it is expected, with what fits of its caption."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.reporting.contact_sheet import contact_sheet

MARGIN = 6


def _flat_images(*levels: int) -> np.ndarray:
    return np.stack([np.full((48, 48), level, np.uint8) for level in levels])


def _ink(sheet: np.ndarray) -> int:
    return int((sheet < 128).sum())


def test_contact_sheet_lays_images_row_by_row():
    sheet = contact_sheet(_flat_images(10, 20, 30), [""] * 3, columns=2, scale=1)

    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * (48 + MARGIN) + MARGIN, 2 * (48 + MARGIN) + MARGIN)
    second = MARGIN + 48 + MARGIN
    for (top, left), level in {(MARGIN, MARGIN): 10, (MARGIN, second): 20, (second, MARGIN): 30}.items():
        assert (sheet[top : top + 48, left : left + 48] == level).all()
    assert (sheet[second:, second:] == 255).all()


def test_contact_sheet_enlarges_by_the_scale():
    sheet = contact_sheet(_flat_images(90), [""], columns=5, scale=3)

    assert (sheet == 90).sum() == (3 * 48) ** 2
    assert sheet.shape == (3 * 48 + 2 * MARGIN, 3 * 48 + 2 * MARGIN)


def test_contact_sheet_writes_captions_below_their_image():
    images = _flat_images(255, 255)
    sheet = contact_sheet(images, ["happy 0.93", ""], columns=2, scale=2)

    below = sheet[MARGIN + 96 :]
    assert _ink(sheet[: MARGIN + 96]) == 0
    assert _ink(below[:, : MARGIN + 96]) > 20
    assert _ink(below[:, MARGIN + 96 :]) == 0


def test_contact_sheet_gives_every_caption_line_its_room():
    one = contact_sheet(_flat_images(255), ["angry"], columns=1, scale=2)
    two = contact_sheet(_flat_images(255), ["angry\nsad"], columns=1, scale=2)

    assert two.shape[0] > one.shape[0]
    assert _ink(two[one.shape[0] - MARGIN :]) > 10


def test_contact_sheet_cuts_a_caption_at_its_tile():
    sheet = contact_sheet(_flat_images(255, 255), ["W" * 200, ""], columns=2, scale=2)

    assert _ink(sheet[:, : MARGIN + 96 + 2]) > 20
    assert _ink(sheet[:, MARGIN + 96 + 2 :]) == 0


def test_contact_sheet_accepts_captions_outside_ascii():
    asked = contact_sheet(_flat_images(0), ["gl\u00fccklich\t\u2713"], columns=1, scale=3)
    drawn = contact_sheet(_flat_images(0), ["gl?cklich??"], columns=1, scale=3)

    np.testing.assert_array_equal(asked, drawn)


def test_contact_sheet_says_none_without_images():
    sheet = contact_sheet(np.zeros((0, 48, 48), np.uint8), [], columns=8, scale=2)

    assert sheet.shape == (2 * 48 + 2 * MARGIN, 2 * 48 + 2 * MARGIN)
    assert _ink(sheet) > 10


@pytest.mark.parametrize(("captions", "columns", "scale"), [([], 2, 2), ([""], 0, 2), ([""], 2, 0)])
def test_contact_sheet_refuses_what_cannot_be_laid_out(captions, columns, scale):
    with pytest.raises(ValueError, match=r"captions for|1 or more"):
        contact_sheet(_flat_images(0), captions, columns=columns, scale=scale)


def test_for_a_page_in_dark_mode_ground_and_letters_change_and_faces_stay():
    images = _flat_images(90, 120)
    light, dark = (
        contact_sheet(images, ["angry", "sad"], columns=2, scale=1, is_dark=is_dark)
        for is_dark in (False, True)
    )
    assert light.shape == dark.shape
    assert (light[0, 0], dark[0, 0]) == (255, 31)
    faces = light == 90
    assert faces.sum() >= 48 * 48
    assert (dark[faces] == 90).mean() > 0.99
    assert dark.max() > 200

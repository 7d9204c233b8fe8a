"""What a 413 teaches, and whom."""

from bot.delivery.upload_limits import DIRECT, FORM_BYTES, MEBIBYTE, UploadLimits


def test_a_refusal_teaches_the_next_smaller_step_for_that_tier_alone() -> None:
    limits = UploadLimits()
    limits.refuse(3, 60 * MEBIBYTE)
    assert limits.room(3) == 50 * MEBIBYTE - FORM_BYTES
    assert limits.room(2) == 50 * MEBIBYTE - FORM_BYTES
    limits.refuse(3, 11 * MEBIBYTE)
    assert limits.room(3) == 10 * MEBIBYTE - FORM_BYTES
    assert limits.room(DIRECT) == 10 * MEBIBYTE - FORM_BYTES


def test_nothing_goes_below_the_smallest_step() -> None:
    limits = UploadLimits()
    limits.refuse(0, 9 * MEBIBYTE)
    assert limits.room(0) == 10 * MEBIBYTE - FORM_BYTES

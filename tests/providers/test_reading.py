"""Links, words and figures in whatever shape a provider gives them."""

import pytest

from bot.providers.reading import is_known, link_in, progress_in, reason_in, task_id_in, word_in

CLIP = "https://cdn.example/o.mp4"


@pytest.mark.parametrize(
    "value",
    [
        CLIP,
        [CLIP],
        {"video_url": CLIP},
        {"video_url": None, "url": CLIP},
        {"videos": [{"video_url": CLIP}]},
        {"video": {"url": CLIP}},
    ],
)
def test_a_link_is_found_in_any_shape(value: object) -> None:
    assert link_in(value) == CLIP


@pytest.mark.parametrize(
    "value", [None, "", "soon", 7, [], {}, [None, CLIP], {"image_url": CLIP}, "ftp://a/b", [[[[[CLIP]]]]]]
)
def test_what_is_no_link_is_none(value: object) -> None:
    assert link_in(value) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("no", "no"),
        ({"message": "no", "code": "x"}, "no"),
        ({"message": "", "code": "x"}, "x"),
        ({"code": 7}, ""),
        (None, ""),
        (["no"], ""),
        ("see https://cdn.example/a?token=1", "see https://cdn.example/…"),
    ],
)
def test_an_error_is_a_text_an_object_or_nothing(error: object, words: str) -> None:
    assert reason_in(error) == words


@pytest.mark.parametrize(
    ("value", "percent"),
    [(0, 0), (35, 35), (99.9, 99), (100, 100), (101, None), (-1, None), (True, None), ("35", None)],
)
def test_progress_is_a_number_of_percent(value: object, percent: int | None) -> None:
    assert progress_in(value) == percent


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (" Completed ", "completed"),
        ("TASK_STATUS_SUCCEED", "succeed"),
        (3, "3"),
        (None, None),
        ("IN_REVIEW", "in_review"),
    ],
)
def test_a_status_has_one_spelling(status: object, word: str | None) -> None:
    assert word_in(status) == word
    assert word is None or is_known(word) == (word in {"completed", "succeed"})


@pytest.mark.parametrize(
    ("value", "task_id"), [("9f", "9f"), (" ", None), ("", None), ("a\nb", None), (7, None), ("9" * 201, None)]
)
def test_a_task_id_is_short_and_printable(value: object, task_id: str | None) -> None:
    assert task_id_in(value) == task_id

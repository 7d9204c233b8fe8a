from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import ProviderRefusedError
from bot.domain.jobs import (
    AT_PROVIDER,
    ENDS,
    HOLDING,
    MOVES,
    OPEN,
    ChannelTarget,
    FileTarget,
    Job,
    JobState,
    TargetKind,
)
from bot.domain.requests import Request

JOB = Job(
    id=1,
    guild_id=1,
    member_id="7",
    target=FileTarget(path="/clip.mp4"),
    request=Request(prompt="a cat"),
    created_ms=10,
    due_ms=10,
    since_ms=10,
    tries=3,
)
S = JobState

ALLOWED = {
    (S.COLLECTING, S.CONFIRMING),
    (S.COLLECTING, S.APPROVING),
    (S.COLLECTING, S.QUEUED),
    (S.COLLECTING, S.FITTING),
    (S.COLLECTING, S.REFUSED),
    (S.COLLECTING, S.CANCELLED),
    (S.COLLECTING, S.FAILED),
    (S.CONFIRMING, S.COLLECTING),
    (S.CONFIRMING, S.APPROVING),
    (S.CONFIRMING, S.QUEUED),
    (S.CONFIRMING, S.REFUSED),
    (S.CONFIRMING, S.CANCELLED),
    (S.APPROVING, S.QUEUED),
    (S.APPROVING, S.CANCELLED),
    (S.QUEUED, S.SUBMITTING),
    (S.QUEUED, S.CANCELLED),
    (S.QUEUED, S.FAILED),
    (S.SUBMITTING, S.RUNNING),
    (S.SUBMITTING, S.UNCERTAIN),
    (S.SUBMITTING, S.QUEUED),
    (S.SUBMITTING, S.FAILED),
    (S.UNCERTAIN, S.RUNNING),
    (S.UNCERTAIN, S.ABANDONED),
    (S.RUNNING, S.FETCHING),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.CANCELLED),
    (S.RUNNING, S.ABANDONED),
    (S.FETCHING, S.FITTING),
    (S.FETCHING, S.FAILED),
    (S.FITTING, S.POSTING),
    (S.FITTING, S.FETCHING),
    (S.FITTING, S.FAILED),
    (S.FITTING, S.UNDELIVERABLE),
    (S.POSTING, S.DELIVERED),
    (S.POSTING, S.FITTING),
    (S.POSTING, S.UNDELIVERABLE),
}
"""Written out a second time: a change of the table is a decision, and is made twice."""


def test_the_table_has_every_state() -> None:
    assert set(MOVES) == set(JobState)


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_a_job_moves_exactly_where_the_table_says(before: JobState, after: JobState) -> None:
    job = replace(JOB, state=before)
    if (before, after) in ALLOWED:
        moved = job.to(after, now_ms=99, progress=5)
        assert (moved.state, moved.since_ms, moved.due_ms, moved.tries, moved.progress) == (after, 99, 99, 0, 5)
    else:
        with pytest.raises(ValueError, match=f"no move from {before} to {after}"):
            job.to(after, now_ms=99)


def test_ends_are_the_six_of_the_design_and_nothing_leaves_them() -> None:
    assert {S.DELIVERED, S.REFUSED, S.FAILED, S.CANCELLED, S.ABANDONED, S.UNDELIVERABLE} == ENDS
    assert set(JobState) - ENDS == OPEN


def test_every_state_is_reached_and_every_open_one_can_end() -> None:
    reached, edge = {S.COLLECTING}, {S.COLLECTING}
    while edge:
        edge = {after for before in edge for after in MOVES[before]} - reached
        reached |= edge
    assert reached == set(JobState)
    ending = set(ENDS)
    while grown := {state for state in OPEN - ending if MOVES[state] & ending}:
        ending |= grown
    assert ending == set(JobState)


def test_money_is_held_between_hold_and_end() -> None:
    before_a_task = {S.APPROVING, S.QUEUED, S.SUBMITTING, S.UNCERTAIN}
    assert before_a_task | {S.RUNNING, S.FETCHING, S.FITTING, S.POSTING} == HOLDING
    assert HOLDING > AT_PROVIDER


def test_a_job_is_never_sent_again_once_it_may_have_left() -> None:
    assert S.SUBMITTING not in MOVES[S.UNCERTAIN] | MOVES[S.RUNNING]
    assert S.QUEUED not in MOVES[S.UNCERTAIN] | MOVES[S.RUNNING]


def test_an_end_carries_its_reason() -> None:
    error = ProviderRefusedError(provider="Fal", reason="no.")
    ended = replace(JOB, state=S.RUNNING).ended_by(S.FAILED, error, now_ms=20)
    assert (ended.error_code, ended.error_text) == (error.code, str(error))
    assert not ended.is_open


def test_waiting_keeps_state_and_its_beginning() -> None:
    waiting = JOB.waiting(due_ms=77, progress=1)
    assert (waiting.state, waiting.since_ms, waiting.tries) == (JOB.state, JOB.since_ms, JOB.tries)
    assert (waiting.due_ms, waiting.progress) == (77, 1)


def test_targets_say_who_serves_them() -> None:
    channel = ChannelTarget(channel_id=1, status_message_id=2, opens_thread=False)
    assert (channel.kind, FileTarget(path="x").kind) == (TargetKind.CHANNEL, TargetKind.FILE)


@given(st.text("ab\n ", max_size=300))
def test_a_title_fits_a_threads_name(text: str) -> None:
    title = replace(JOB, request=Request(prompt=f"x{text}x")).title
    assert 0 < len(title) <= 100
    assert "\n" not in title


def test_a_log_line_never_says_the_prompt() -> None:
    assert "cat" not in repr(JOB.log_fields())

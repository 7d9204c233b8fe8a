"""Cards at their fullest: every limit of Discord's kept, and nobody's words taking effect."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.delivery import words
from bot.delivery.cards import buttons, card, clip_buttons
from bot.delivery.tree import total, tree
from bot.domain.changes import Change, ChangeKind
from bot.domain.jobs import ChannelTarget, Fitting, Job, JobState, Work
from bot.domain.references import MediaInfo, Reference, StoredReference
from bot.domain.requests import Aspect, Plan, Request, Tier
from bot.domain.slots import Frame, Kind, Place, Slot

JOB = 1433000000000000001
EMBED_CHARS, FIELD_CHARS, DESCRIPTION_CHARS, ROW_BUTTONS = 6000, 1024, 4096, 5
"""https://docs.discord.com/developers/resources/message and /components/reference"""
COUNTS = {Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3}
PLACES: list[Place] = [*Frame, *(Slot(kind=kind, number=n) for kind in Kind for n in range(1, COUNTS[kind] + 1))]
STILL = MediaInfo(kind=Kind.IMAGE, format="png", width=6400, height=3200)


def name_of(place: Place) -> str:
    return f"{'*_~|' * 18} {place}.png"


def a_change(place: Place) -> Change:
    return Change(
        place=place,
        name=name_of(place),
        kinds=(ChangeKind.CUT, ChangeKind.CONVERT, ChangeKind.SHRINK),
        before=replace(STILL, format="webp", duration_ms=20_400),
        bytes_before=40_000_000,
        width=5998,
        height=2999,
        format="png",
        duration_ms=15_000,
        bytes_max=30_000_000,
    )


def a_plan(*, changes: Sequence[Change] = (), notes: Sequence[str] = ()) -> Plan:
    references = [Reference(place=place, name=name_of(place), source="", declared_bytes=1) for place in PLACES]
    return Plan(
        provider="unifically",
        model="m",
        tier=Tier.PRO,
        prompt="x",
        duration_seconds=15,
        aspect=Aspect.WIDE,
        resolution="720p",
        sound=True,
        seed=7,
        references=tuple(StoredReference(reference=one, sha256="", size_bytes=1, info=STILL) for one in references),
        changes=tuple(changes),
        notes=tuple(notes),
    )


def a_job(job_id: int = JOB, *, prompt: str = "a fox", parent_id: int | None = None, full: bool = False) -> Job:
    references = [Reference(place=place, name=name_of(place), source="", declared_bytes=1) for place in PLACES]
    return Job(
        id=job_id,
        guild_id=1,
        member_id="1001",
        target=ChannelTarget(channel_id=5, status_message_id=6, opens_thread=True),
        request=Request(prompt=prompt, references=tuple(references) if full else ()),
        parent_id=parent_id,
        created_ms=0,
        due_ms=0,
        since_ms=0,
        plan=a_plan(),
        quote_micros=400_000,
    )


def chain(count: int, *, prompt: str = "a fox") -> list[Job]:
    first = replace(a_job(1, prompt=prompt), state=JobState.DELIVERED, cost_micros=400_000)
    return [replace(first, id=n, parent_id=n - 1 if n > 1 else None) for n in range(1, count + 1)]


@pytest.mark.parametrize("state", [JobState.CONFIRMING, JobState.FAILED, JobState.UNDELIVERABLE, JobState.DELIVERED])
def test_the_fullest_card_keeps_every_limit(state: JobState) -> None:
    family = [*chain(40, prompt="*" * 100 + "x"), a_job(parent_id=40)]
    plan = a_plan(changes=[a_change(place) for place in PLACES], notes=["*_" * 200 for _ in range(20)])
    job = replace(
        a_job(prompt="*" * 1999 + "x", parent_id=40, full=True),
        state=state,
        plan=plan,
        error_text=None if state is JobState.CONFIRMING else "*" * 3000,
        channel_id=JOB,
        message_id=None if state is JobState.CONFIRMING else JOB,
    )
    shown = card(job, family=family, strip="references.jpg")
    assert len(shown) <= EMBED_CHARS
    assert len(shown.description or "") <= DESCRIPTION_CHARS
    assert {len(str(field.value)) <= FIELD_CHARS for field in shown.fields} == {True}
    for view in (buttons(job), clip_buttons(replace(job, last_frame="x", fitting=Fitting.ENCODE))):
        assert [row for row in view.to_components() if len(row["components"]) > ROW_BUTTONS] == []
        assert len(view.to_components()) <= 1


def test_every_change_can_be_read_before_it_is_agreed_to() -> None:
    changes = [a_change(place) for place in PLACES[2:]]
    job = replace(a_job(full=True), state=JobState.CONFIRMING, plan=a_plan(changes=changes))
    done = "\n".join(str(field.value) for field in card(job).fields if field.name == "What will be done")
    said = [line for line in done.splitlines() if line.startswith("• ")]
    assert len(said) + int((done.partition("… and ")[2].split() or ["0"])[0]) == len(changes)
    short = [replace(change, name="photo.png") for change in changes]
    shown = card(replace(job, plan=a_plan(changes=short)))
    done = "\n".join(str(field.value) for field in shown.fields if field.name == "What will be done")
    assert [str(change.place) for change in short if str(change.place) not in done] == []


def test_a_long_chain_shows_the_way_around_this_clip_and_its_sum() -> None:
    family = chain(40)
    shown = tree(family, 20).splitlines()
    assert (shown[0], shown[-2]) == ("-# … 15 before", "-# … 16 more")
    assert [line for line in shown if line.endswith("◀")] == ["20 · 15 s · $0.40 · a fox ◀"]
    assert shown[-1] == "**Up to here: 20 clips · 300 s · $8.00**"


def test_a_prompt_that_ends_with_the_mark_does_not_move_the_window() -> None:
    family = chain(40)
    family[0] = replace(family[0], request=Request(prompt="look ◀"))
    assert any(line.startswith("30 ·") and line.endswith("◀") for line in tree(family, 30).splitlines())


def test_branches_of_branches_stay_within_a_phones_width() -> None:
    family = [a_job(1)]
    for n in range(2, 60, 2):
        family += [a_job(n, parent_id=max(n - 2, 1)), a_job(n + 1, parent_id=max(n - 2, 1))]
    assert max(len(line) - len(line.lstrip("\u2003")) for line in tree(family, 58).splitlines()) <= 6
    assert len(tree(family, 58)) <= FIELD_CHARS


def test_hostile_prompts_have_no_effect_in_a_tree() -> None:
    family = chain(2, prompt="@everyone **b** <@1433000000000000001>")
    shown = tree(family, 2)
    assert "@everyone" not in shown
    assert "<@1433000000000000001>" not in shown
    assert "\\*\\*b" in shown
    assert total(family[:1]).startswith("1 clip ·")


def test_nothing_new_is_offered_in_a_direct_message() -> None:
    job = replace(a_job(), state=JobState.POSTING, last_frame="x")
    labels = {getattr(item, "custom_id", "").split(":")[1] for item in clip_buttons(job, in_server=False).children}
    assert labels == {"frame", "sheet"}


def test_nothing_is_said_to_be_held_while_agreed_changes_are_made() -> None:
    job = replace(a_job(), state=JobState.COLLECTING, has_agreed=True)
    assert words.price(job) == "$0.40 at most. Nothing is held yet."
    assert words.stage(job) == "Changing the files as agreed"


def test_a_films_card_lists_no_references() -> None:
    job = replace(a_job(full=True), work=Work.FILM, plan=None, parent_id=2)
    assert [field.name for field in card(job, family=chain(2)).fields] == ["Joined"]

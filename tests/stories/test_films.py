"""Clips that continue one another: `/extend`, branches, `/stitch`, and what stands under a clip."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from PIL import Image

from bot.domain.jobs import Fitting, JobState, Work
from bot.ports.books import By
from bot.sandbox.client import Invocation, MemberClient
from bot.sandbox.posting import remove
from bot.sandbox.records import AnswerType, Message
from bot.services.keep import Keeper
from bot.wiring import now_ms
from tests.media import making
from tests.standins import unifically
from tests.stories.rig import SAMPLES, Story
from tests.stories.test_unifically import paid_story

CLIP_FRAMES = 24
SIZE = (640, 480)


@asynccontextmanager
async def film_story(folder: Path, port: int, **settings: Any) -> AsyncIterator[tuple[Story, unifically.Provider]]:
    """With a public address: a provider that takes links has to fetch last frames somewhere."""
    address = f"http://127.0.0.1:{port}"
    async with paid_story(folder, public_url=address, web_port=port, **settings) as told:
        yield told


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five clips of one movement, each beginning with the last picture of the one before."""
    folder = tmp_path_factory.mktemp("takes")
    return [_take(folder / f"{n}.mp4", first=n * (CLIP_FRAMES - 1)) for n in range(5)]


def _take(path: Path, *, first: int) -> Path:
    width, height = SIZE
    ramp = np.linspace(40, 200, width, dtype=np.float32)[None, :, None] * np.ones((height, 1, 3), dtype=np.float32)
    with av.open(path, "w") as container:
        video: Any = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt, video.thread_count = width, height, "yuv420p", 1
        video.options = {"preset": "superfast", "crf": "12"}
        for index in range(CLIP_FRAMES):
            moved = np.roll(ramp, 6 * (first + index), axis=1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def shows(still: Path, clip: Path) -> bool:
    """Whether a still is the last picture of a clip and not the one before; another reader rounds colours otherwise."""
    with av.open(str(clip)) as container:
        before, last = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)][-2:]
    with Image.open(still) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=float)
    return bool(abs(pixels - last).mean() < 1.5 < abs(pixels - before).mean())


def frames_shown(path: Path) -> int:
    """Pictures that stand for longer than a tick."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times = sorted(int(packet.pts or 0) for packet in container.demux(video) if packet.size)
        gaps = [after - before for before, after in pairwise(times)]
        return 1 + sum(gap > 1 for gap in gaps)


def extended(
    told: Story, message: Message, prompt: str = "it goes on", *, by: MemberClient | None = None, **said: Any
) -> Invocation:
    return (by or told.member).slash(message.channel_id, "extend", options={"prompt": prompt} | said)


def button(told: Story, message: Message, act: str) -> Invocation:
    job_id = next(one["custom_id"] for row in message.components for one in row["components"]).rpartition(":")[2]
    return told.member.click(message, f"dailies:{act}:{job_id}")


# -- /extend


async def test_the_next_request_carries_the_last_frame_byte_for_byte(
    tmp_path: Path, free_port: int, takes: list[Path]
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        provider.clips.extend(takes)
        first = await told.clip(told.generate("a fox walks", tier="pro", seed=7, aspect="9:16", duration=4))
        asked = extended(told, first)
        job = await told.ended(asked)
        parent = await told.job_of(first)
        assert (job.state, job.parent_id) == (JobState.DELIVERED, parent.id)
        payload: Any = provider.submits[1].payload
        assert provider.received == [parent.last_frame]
        kept = told.workshop.media.stored_path(sha256=str(parent.last_frame))
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == parent.last_frame
        assert shows(kept, takes[0])
        # Tier, seed and aspect carry over, the length is the usual one again.
        assert payload["model"] == "bytedance/seedance-2.0-pro"
        assert (payload["input"]["seed"], payload["input"]["aspect_ratio"], payload["input"]["duration"]) == (
            7,
            "9:16",
            5,
        )


async def test_options_of_extend_win_over_what_carries_over(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        first = await told.clip(told.generate(tier="pro", seed=7))
        await told.clip(extended(told, first, tier="fast", seed=8, duration=6, aspect="1:1"))
        payload: Any = provider.submits[1].payload
        assert payload["model"] == "bytedance/seedance-2.0-fast"
        assert (payload["input"]["seed"], payload["input"]["duration"]) == (8, 6)


async def test_where_nothing_was_made_there_is_nothing_to_extend(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        asked = told.member.slash(told.channel.id, "extend", options={"prompt": "on"})
        assert "No clip was delivered here yet" in await told.refusal(asked)
        for typed in ("1433000000000000001", "latest"):
            asked = told.member.slash(told.channel.id, "extend", options={"prompt": "on", "clip": typed})
            assert f"There is no clip {typed} here" in await told.refusal(asked)
        assert provider.submits == []


async def test_a_clip_of_another_channel_is_not_found(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.job_of(await told.clip(told.generate()))
        elsewhere = told.world.add_channel(told.guild, "elsewhere")
        asked = told.member.slash(elsewhere.id, "extend", options={"prompt": "on", "clip": str(first.id)})
        assert f"There is no clip {first.id} here" in await told.refusal(asked)


async def test_autocomplete_lists_this_threads_clips_with_length_and_prompt(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate("a fox walks", duration=4))
        second = await told.clip(extended(told, first, "it sleeps"))
        typed = told.member.autocomplete(first.channel_id, "extend", focused="clip", options={"prompt": "x"})
        jobs = [await told.job_of(one) for one in (second, first)]
        assert await typed.choices() == [
            {"name": "5 s · it sleeps", "value": str(jobs[0].id)},
            {"name": "4 s · a fox walks", "value": str(jobs[1].id)},
        ]


async def test_numbered_references_beside_the_frame_are_refused_where_the_provider_has_no_place(
    tmp_path: Path, free_port: int
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        first = await told.clip(told.generate())
        asked = told.member.slash(
            first.channel_id, "extend", options={"prompt": "@Image1 comes in"}, files={"image1": SAMPLES / "cat.jpg"}
        )
        assert "use either frames or numbered references" in await told.refusal(asked)
        assert len(provider.submits) == 1


async def test_a_first_frame_alone_is_said_to_be_undocumented_and_its_refusal_releases(
    tmp_path: Path, free_port: int
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        first = await told.clip(told.generate())
        provider.submit_troubles.append(unifically.refusal(422, "end_frame_url is required", "validation_error"))
        spent = await told.spent()
        asked = extended(told, first)
        job = await told.ended(asked)
        assert job.state is JobState.FAILED
        assert "end_frame_url is required" in (job.error_text or "")
        assert job.plan is not None
        assert any("documents a first frame only beside an end frame" in note for note in job.plan.notes)
        assert await told.spent() == spent


async def test_the_button_asks_for_a_prompt_and_continues_that_clip(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        first = await told.clip(told.generate("a fox walks"))
        await told.clip(extended(told, first, "it turns"))
        opened = button(told, first, "extend")
        await opened.modal()
        job = await told.ended(told.member.submit(opened, {"prompt": "it jumps instead"}))
        parent = await told.job_of(first)
        assert (job.state, job.parent_id) == (JobState.DELIVERED, parent.id)
        assert len(provider.submits) == 3


async def test_the_menu_continues_anybodys_video_from_its_last_frame(
    tmp_path: Path, free_port: int, takes: list[Path]
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        said = told.other.say(told.channel.id, "my own", files=[takes[2]])
        opened = told.member.message_command(said, "Extend video")
        await opened.modal()
        job = await told.ended(told.member.submit(opened, {"prompt": "and on"}))
        assert (job.state, job.parent_id) == (JobState.DELIVERED, None)
        assert len(provider.received) == 1
        kept = told.workshop.media.stored_path(sha256=provider.received[0])
        assert shows(kept, takes[2])


async def test_the_menu_on_a_clip_of_ours_keeps_the_chain(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate())
        opened = told.other.message_command(first, "Extend video")
        await opened.modal()
        job = await told.ended(told.other.submit(opened, {"prompt": "and on"}))
        assert job.parent_id == (await told.job_of(first)).id


async def test_a_message_without_a_video_says_so(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        said = told.other.say(told.channel.id, "just words")
        for menu in ("Extend video", "Change this video"):
            asked = told.member.message_command(said, menu)
            assert await asked.acknowledged() is AnswerType.MESSAGE
            assert "That message has no video file" in (await asked.response()).content


async def test_change_this_video_sends_it_as_the_first_video(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        said = told.other.say(told.channel.id, "", files=[SAMPLES / "drift.mp4"])
        opened = told.member.message_command(said, "Change this video")
        await opened.modal()
        job = await told.ended(told.member.submit(opened, {"prompt": "make it snow"}))
        assert job.state is JobState.DELIVERED, job.error_text
        payload: Any = provider.submits[0].payload
        assert payload["input"]["prompt"] == "Change @Video1: make it snow"
        assert provider.received == [hashlib.sha256((SAMPLES / "drift.mp4").read_bytes()).hexdigest()]


# -- chains and films


async def test_five_by_two_members_over_a_restart_become_one_film(
    tmp_path: Path, free_port: int, takes: list[Path]
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        provider.clips.extend(takes)
        message = await told.clip(told.generate("a fox walks"))
        for number in range(1, 5):
            if number == 3:
                await told.restart()
            by = told.other if number % 2 else told.member
            asked = extended(told, message, f"part {number + 1}", by=by)
            message = await told.clip(asked)
            if number == 2:
                remove(told.world, message)
        last = await told.job_of(message)
        spent = await told.spent()
        asked = told.other.slash(message.channel_id, "stitch", options={"clip": str(last.id)})
        film = await told.clip(asked)
        assert frames_shown(film.attachments[0].path) == 5 * CLIP_FRAMES - 4
        job = await told.ended(asked)
        assert (job.work, job.parent_id, job.cost_micros) == (Work.FILM, last.id, 0)
        assert await told.spent() == spent
        assert len(provider.submits) == 5


async def test_a_branch_stands_in_the_tree_with_length_and_price(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate("a fox walks", duration=4))
        await told.clip(extended(told, first, "it sleeps"))
        clip_id = str((await told.job_of(first)).id)
        asked = extended(told, first, "it runs", clip=clip_id)
        await told.ended(asked)
        card = (await asked.response()).embeds[0]
        [chain] = [field["value"] for field in card["fields"] if field["name"] == "Chain"]
        assert chain.splitlines() == [
            "1 · 4 s · $0.32 · a fox walks",
            "┗ 2 · 5 s · $0.40 · it sleeps",
            "┗ 2 · 5 s · $0.40 · it runs ◀",
            "**Up to here: 2 clips · 9 s · $0.72**",
        ]


async def test_one_clip_is_no_film(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate())
        clip_id = (await told.job_of(first)).id
        asked = told.member.slash(first.channel_id, "stitch", options={"clip": str(clip_id)})
        assert "continues no other clip" in await told.refusal(asked)


async def test_a_film_of_a_clip_that_was_swept_away_is_refused(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate())
        second = await told.job_of(await told.clip(extended(told, first)))
        gone = await told.job_of(first)
        Path(str(gone.clip_path)).unlink()
        asked = told.member.slash(first.channel_id, "stitch", options={"clip": str(second.id)})
        assert f"Clip {gone.id} is no longer on the bot's disk" in await told.refusal(asked)


# -- under a clip


async def test_the_last_frame_is_posted_for_everybody(tmp_path: Path, free_port: int, takes: list[Path]) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        provider.clips.append(takes[0])
        first = await told.clip(told.generate())
        shown = await button(told, first, "frame").response()
        assert shown.visible_to is None
        assert shows(shown.attachments[0].path, takes[0])


async def test_a_contact_sheet_comes_for_my_eyes_only(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        first = await told.clip(told.generate())
        shown = await button(told, first, "sheet").response()
        assert shown.visible_to == told.member.member.id
        assert shown.attachments[0].filename.endswith("contact-sheet.jpg")


@pytest.fixture(scope="module")
def hevc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 MB of 1080p HEVC, one second: noise, so that it does not get small by itself."""
    path, side = tmp_path_factory.mktemp("hevc") / "hevc.mp4", (1920, 1080)
    noise = np.random.default_rng(3).integers(0, 255, (2, side[1], side[0]), dtype=np.uint8)
    grey = np.full((side[1] // 2, side[0]), 128, dtype=np.uint8)
    with av.open(path, "w") as container:
        video: Any = container.add_stream("libx265", rate=13)
        video.width, video.height, video.pix_fmt = *side, "yuv420p"
        video.options = {"preset": "ultrafast", "x265-params": "log-level=none:qp=36:keyint=1"}
        for index in range(13):
            planes = np.vstack([np.roll(noise[index % 2], index * 7, axis=1), grey])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 13)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


async def test_12_mb_of_hevc_land_as_h264_under_10_mib_and_the_original_is_one_click_away(
    tmp_path: Path, free_port: int, hevc: Path
) -> None:
    assert hevc.stat().st_size > 12_000_000
    async with film_story(tmp_path, free_port) as (told, provider):
        provider.clips.append(hevc)
        message = await told.clip(told.generate())
        posted = message.attachments[0]
        assert posted.size <= 10 * 1024 * 1024
        with av.open(str(posted.path)) as played:
            video = played.streams.video[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert sum(1 for _ in played.decode(video=0)) == 13
        job = await told.job_of(message)
        assert job.fitting is Fitting.ENCODE
        assert "Re-encoded so that it plays and fits here (12." in message.content
        said = await button(told, message, "original").response()
        link = said.content.partition("](")[2].partition(")")[0]
        async with aiohttp.ClientSession() as session, session.get(link) as response:
            assert await response.read() == hevc.read_bytes()
        # A server without boosts is offered 20 MiB once, for some have it; its no is not asked for again.
        refused = len(told.world.violations)
        told.world.violations.clear()
        assert refused <= 1
        provider.clips.append(hevc)
        again = await told.clip(told.generate())
        assert again.attachments[0].size <= 10 * 1024 * 1024


async def test_without_a_public_address_the_original_comes_in_pieces(tmp_path: Path) -> None:
    clip = making.clip(tmp_path / "hevc.mp4", seconds=1, size=(640, 360), codec="libx265")
    async with paid_story(tmp_path) as (told, provider):
        provider.clips.append(clip)
        message = await told.clip(told.generate())
        asked = button(told, message, "original")
        piece = await asked.follow_up()
        assert piece.visible_to == told.member.member.id
        assert piece.attachments[0].path.read_bytes() == clip.read_bytes()
        assert "join them" in (await asked.response()).content


# -- references that must be changed


async def test_a_picture_that_is_too_large_is_changed_after_the_requester_agreed(
    tmp_path: Path, free_port: int
) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (6400, 3200), (90, 120, 60)).save(large)
    async with film_story(tmp_path, free_port) as (told, provider):
        asked = told.generate("@Image1 wakes", image1=large)
        card = await told.card(asked, JobState.CONFIRMING)
        assert card.embeds[0]["title"] == "May your files be changed like this?"
        [done] = [field["value"] for field in card.embeds[0]["fields"] if field["name"] == "What will be done"]
        assert "@Image1" in done
        assert "6400×3200" in done
        assert await told.spent() == (0, 0)
        assert provider.submits == []
        await told.member.click(card, f"dailies:confirm:{asked.id}").response()
        job = await told.ended(asked)
        assert job.state is JobState.DELIVERED, job.error_text
        assert job.plan is not None
        assert (job.plan.references[0].info.width, job.plan.references[0].info.height) == (5998, 2999)
        assert provider.received == [job.plan.references[0].sha256]


async def test_a_small_picture_goes_enlarged_or_as_it_is(tmp_path: Path, free_port: int) -> None:
    small = making.picture(tmp_path / "small.png", size=(400, 400))
    async with film_story(tmp_path, free_port) as (told, provider):
        sides: list[int | None] = []
        for act in ("confirm", "asis"):
            asked = told.generate("@Image1 wakes", image1=small)
            card = await told.card(asked, JobState.CONFIRMING)
            await told.member.click(card, f"dailies:{act}:{asked.id}").response()
            job = await told.ended(asked)
            assert job.state is JobState.DELIVERED, job.error_text
            sides.append(job.plan.references[0].info.width if job.plan else None)
        assert sides == [1024, 400]
        assert len(provider.received) == 2


# -- previews


BY = By(actor="9", at_ms=1_795_000_000_000)


async def waiting(told: Story, **said: Any) -> tuple[Invocation, Message]:
    """A request whose price must be confirmed, and its card."""
    guild_id = told.guild.id
    await told.workshop.books.write(lambda tx: tx.rules.put_setting(guild_id, "confirm_above_micros", 0, by=BY))
    asked = told.generate("Shot 1: a fox. Shot 2: it runs", duration=4, **said)
    return asked, await told.card(asked, JobState.CONFIRMING)


async def test_a_preview_is_a_storyboard_for_nothing_before_the_price_is_confirmed(
    tmp_path: Path, free_port: int
) -> None:
    async with film_story(tmp_path, free_port) as (told, provider):
        asked, card = await waiting(told, image1=SAMPLES / "cat.jpg")
        shown = told.member.click(card, f"dailies:preview:{asked.id}")
        preview = await told.clip(shown)
        assert "a storyboard made here, free of charge" in preview.content
        assert provider.submits == []
        assert await told.spent("guild", "clips") == (0, 0)
        job = await told.ended(shown)
        assert (job.work, job.parent_id, job.plan and job.plan.provider) == (Work.PREVIEW, asked.id, "animatic")
        await told.member.click(card, f"dailies:confirm:{asked.id}").response()
        await told.clip(asked)
        assert await told.spent("guild", "clips") == (1, 0)


async def test_one_preview_at_a_time_and_none_of_others(tmp_path: Path, free_port: int) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        asked, card = await waiting(told)
        first = told.member.click(card, f"dailies:preview:{asked.id}")
        await first.acknowledged()
        assert "one at a time" in await told.refusal(told.member.click(card, f"dailies:preview:{asked.id}"))
        await told.clip(first)
        theirs = told.other.click(card, f"dailies:preview:{asked.id}")
        assert f"no job {asked.id} of yours" in (await theirs.follow_up()).content


# -- what is kept


async def test_files_go_when_their_servers_time_is_over_and_what_needs_them_says_so(
    tmp_path: Path, free_port: int
) -> None:
    async with film_story(tmp_path, free_port) as (told, _):
        message = await told.clip(told.generate("@Image1 wakes", image1=SAMPLES / "cat.jpg"))
        job = await told.job_of(message)
        kept = [Path(str(job.clip_path)), told.workshop.media.stored_path(sha256=str(job.last_frame))]
        keeper = told.workshop.keeper
        assert await keeper.sweep() == 0
        assert [path.exists() for path in kept] == [True, True]
        late = Keeper(
            books=told.workshop.books, attic=told.workshop.shelf, now_ms=lambda: now_ms() + 31 * 24 * 3_600_000
        )
        assert await late.sweep() > 0
        assert [path.exists() for path in kept] == [False, False]
        assert "no longer on the bot's disk" in (await told.refusal(button(told, message, "frame")))
        assert "no longer on the bot's disk" in (await button(told, message, "sheet").response()).content

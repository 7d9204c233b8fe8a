"""A provider that makes the picture of a clip's last frame itself: that is what is kept and what goes on."""

import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from bot.domain.jobs import JobState
from bot.media.last_frame import take_last_frame
from bot.settings import ProviderSettings
from tests.media import making
from tests.standins import ark
from tests.stories.rig import Story, story
from tests.stories.test_films import button, extended

SIZE = (640, 360)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.clip(tmp_path_factory.mktemp("own") / "clip.mp4", seconds=1, size=SIZE, movflags="faststart")


@asynccontextmanager
async def ark_story(folder: Path, clip: Path) -> AsyncIterator[tuple[Story, ark.Provider]]:
    """It takes pictures as data: no public address is needed."""
    async with ark.running(clip=clip) as provider:
        row = ProviderSettings(
            api_key=SecretStr(provider.key),
            base_url=f"{provider.url}{ark.ROOT}",
            typical_seconds=1,
            requests_per_second=100,
        )
        providers = {"ark": row}
        async with story(folder, provider_order="ark", providers=providers, default_guild_budget_usd="50") as told:
            yield told, provider


def picture(size: tuple[int, int] = SIZE) -> bytes:
    """Nothing that the clip shows anywhere: it cannot be taken for a frame of ours."""
    noise = np.random.default_rng(23).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format="PNG")
    return file.getvalue()


async def test_the_providers_own_last_frame_is_kept_and_handed_on_byte_for_byte(tmp_path: Path, clip: Path) -> None:
    async with ark_story(tmp_path, clip) as (told, provider):
        provider.still = picture()
        message = await told.clip(told.generate())
        parent = await told.job_of(message)
        assert parent.last_frame == hashlib.sha256(provider.still).hexdigest()
        kept = told.workshop.media.stored_path(sha256=parent.last_frame)
        assert kept.read_bytes() == provider.still
        job = await told.ended(extended(told, message))
        assert (job.state, job.parent_id) == (JobState.DELIVERED, parent.id)
        assert provider.received == [parent.last_frame]
        posted = (await button(told, message, "frame").response()).attachments[0]
        assert posted.filename == f"{parent.id}-last-frame.png"


@pytest.mark.parametrize(
    "still",
    [
        None,
        picture((320, 180)),
        picture()[:-100],
        b"<!doctype html><p>Sign in",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/frame.png",
    ],
    ids=["dead", "smaller", "cut", "page", "metadata", "private"],
)
async def test_a_picture_that_is_not_to_be_had_costs_nothing_but_itself(
    tmp_path: Path, clip: Path, still: bytes | str | None
) -> None:
    async with ark_story(tmp_path, clip) as (told, provider):
        provider.still = still
        message = await told.clip(told.generate())
        parent = await told.job_of(message)
        take_last_frame(path=str(clip), output=str(tmp_path / "ours"))
        assert parent.last_frame == hashlib.sha256((tmp_path / "ours").read_bytes()).hexdigest()
        await told.clip(extended(told, message))
        assert provider.received == [parent.last_frame]

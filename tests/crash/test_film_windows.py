"""SIGKILL while a clip is fitted, and while files are changed as agreed: one submit, one message, one charge."""

import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.domain.jobs import Fitting, Job, JobState
from bot.sandbox.records import Message
from tests.crash.rig import AT_ONCE, Stage, stage
from tests.media import making


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_killed_while_the_clip_is_fitted(tmp_path: Path) -> None:
    clip = making.clip(tmp_path / "hevc.mp4", seconds=4, size=(1280, 720), codec="libx265")
    async with stage(tmp_path) as here:
        here.provider.fates.append(AT_ONCE)
        here.provider.clips.append(clip)
        bot = await here.run()
        asked = here.ask("a fox shrinks")
        await here.in_state(asked.id, JobState.FITTING)
        await bot.kill()
        job = await here.in_state(asked.id, JobState.FITTING)
        assert (job.upload_path, here.messages(asked.id)) == (None, [])
        await here.run()
        await here.once(asked, "a fox shrinks")
        job = await here.in_state(asked.id, JobState.DELIVERED)
        assert (job.fitting, job.last_frame is None) == (Fitting.ENCODE, False)
        assert list((here.data_dir / "incoming").iterdir()) == []


async def test_killed_between_the_agreement_and_the_hold(tmp_path: Path, free_port: int) -> None:
    large = tmp_path / "large.png"
    noise = np.random.default_rng(1).integers(0, 255, (1500, 6400, 3), dtype=np.uint8)
    Image.fromarray(np.vstack([noise, noise])).save(large)
    public = {"DAILIES_PUBLIC_URL": f"http://127.0.0.1:{free_port}", "DAILIES_WEB_PORT": str(free_port)}
    async with stage(tmp_path, **public) as here:
        here.provider.fates.append(AT_ONCE)
        bot = await here.run()
        prompt = "@Image1 wakes up"
        asked = here.ask(prompt, image1=large)
        await here.in_state(asked.id, JobState.CONFIRMING)
        here.member.click(await asking(here, asked.id, await asked.response()), f"dailies:confirm:{asked.id}")
        await here.until(lambda: agreed(here, asked.id))
        await bot.kill()
        job = await here.job(asked.id)
        assert job is not None
        assert (job.state, here.submits(prompt)) == (JobState.COLLECTING, [])
        await here.run()
        await here.once(asked, prompt)
        job = await here.in_state(asked.id, JobState.DELIVERED)
        assert job.plan is not None
        assert (job.plan.references[0].info.width, job.plan.changes) == (5998, ())
        assert list((here.data_dir / "incoming").iterdir()) == []


async def asking(here: Stage, job_id: int, card: Message) -> Message:
    """The card once its button is there."""

    async def probe() -> Message | None:
        ids = [one["custom_id"] for row in card.components for one in row["components"]]
        return card if f"dailies:confirm:{job_id}" in ids else None

    return await here.until(probe)


async def agreed(here: Stage, job_id: int) -> Job | None:
    job = await here.job(job_id)
    return job if job is not None and job.has_agreed else None

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.domain.capabilities import make_plan, quote_micros
from bot.domain.requests import Plan, Request, Tier
from bot.media.child import run_limited
from bot.media.limits import Limits
from bot.ports.outside import Failed, NotSentError, Pending, Provider, Succeeded, TaskGoneError
from bot.providers.animatic.provider import Animatic, Run
from bot.providers.animatic.row import CAPABILITIES
from tests.providers.animatic.studio import SAMPLES, picture, plan_of, read_film, stored

PLAN = plan_of("@Image1 wakes up", {"@Image1": SAMPLES / "cat.jpg"})


@dataclass
class Desk:
    """A spool, the files behind the content hashes, and a bell that can be waited for."""

    folder: Path
    plan: Plan = PLAN
    rung: list[str] = field(default_factory=list)
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    def stored_path(self, sha256: str) -> Path:
        return next(Path(one.reference.source) for one in self.plan.references if one.sha256 == sha256)

    def ring(self, task_id: str) -> None:
        self.rung.append(task_id)
        self.bell.set()

    async def rings(self) -> None:
        async with asyncio.timeout(60):
            await self.bell.wait()
        self.bell.clear()

    def animatic(self, run: Run = run_limited) -> Animatic:
        return Animatic(folder=self.folder / "spool", stored_path=self.stored_path, run=run, ring=self.ring)

    def spool(self) -> set[str]:
        return {path.name for path in (self.folder / "spool").iterdir()}


@dataclass
class Gate:
    """A child process that comes to its end when it is told to."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0
    outputs: list[str] = field(default_factory=list)

    async def __call__(
        self, target: str, arguments: dict[str, object], *, limits: Limits | None = None
    ) -> dict[str, object]:
        assert target == "bot.providers.animatic.render:render"
        assert limits is not None
        assert json.loads(json.dumps(arguments)) == arguments
        self.running += 1
        self.most = max(self.most, self.running)
        self.began.set()
        try:
            async with asyncio.timeout(30):
                await self.open.wait()
            return self._made(str(arguments["output"]))
        finally:
            self.running -= 1

    def _made(self, output: str) -> dict[str, object]:
        Path(output).write_bytes(b"made")
        self.outputs.append(output)
        return {"frames": 96, "bytes": 4}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@asynccontextmanager
async def gated(desk: Desk) -> AsyncIterator[tuple[Animatic, Gate]]:
    gate = Gate()
    async with desk.animatic(gate) as animatic:
        yield animatic, gate


async def test_a_plan_becomes_a_clip_and_the_bell_rings(desk: Desk) -> None:
    async with desk.animatic() as animatic:
        provider: Provider = animatic
        task_id = await provider.submit(attempt_id="41-1", plan=PLAN, links={})
        assert await provider.read(task_id=task_id) == Pending()
        await desk.rings()
        status = await provider.read(task_id=task_id)
    assert desk.rung == [task_id] == ["41-1"]
    assert isinstance(status, Succeeded)
    assert Path(status.video).is_absolute()
    assert len(read_film(Path(status.video)).frames) == 96


async def test_after_a_restart_a_read_goes_on_with_the_render(desk: Desk) -> None:
    async with gated(desk) as (animatic, gate):
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        await gate.began.wait()
    assert gate.running == 0
    async with desk.animatic() as animatic:
        assert await animatic.read(task_id="a") == Pending()
        await desk.rings()
        assert isinstance(await animatic.read(task_id="a"), Succeeded)


async def test_closing_in_the_middle_of_a_real_render_leaves_the_order_only(desk: Desk) -> None:
    async with desk.animatic() as animatic:
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
    assert desk.spool() == {"a.json"}
    assert desk.rung == []


async def test_the_same_attempt_twice_is_one_task(desk: Desk) -> None:
    async with gated(desk) as (animatic, gate):
        first = await animatic.submit(attempt_id="a", plan=PLAN, links={})
        assert await animatic.submit(attempt_id="a", plan=PLAN, links={}) == first
        gate.open.set()
        await desk.rings()
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        assert isinstance(await animatic.read(task_id="a"), Succeeded)
    assert len(gate.outputs) == 1


async def test_one_render_at_a_time(desk: Desk) -> None:
    async with gated(desk) as (animatic, gate):
        for attempt_id in ("a", "b", "c"):
            await animatic.submit(attempt_id=attempt_id, plan=PLAN, links={})
        gate.open.set()
        while len(desk.rung) < 3:
            await desk.rings()
    assert gate.most == 1
    assert desk.rung == ["a", "b", "c"]


async def test_a_broken_reference_fails_with_its_name_and_stays_failed(desk: Desk, tmp_path: Path) -> None:
    torn = picture(tmp_path / "torn.png", (9, 9, 9))
    torn.write_bytes(torn.read_bytes().replace(b"IDATx", b"IDAT?"))
    desk.plan = plan_of("@Image1 wakes up", {"@Image1": torn})
    async with desk.animatic() as animatic:
        await animatic.submit(attempt_id="a", plan=desk.plan, links={})
        await desk.rings()
        failed = await animatic.read(task_id="a")
    assert failed == Failed(reason="@Image1: torn.png cannot be decoded")
    async with desk.animatic() as animatic:
        assert await animatic.read(task_id="a") == failed


async def test_a_fault_of_ours_fails_one_task_and_no_other(desk: Desk) -> None:
    async def broken(target: str, arguments: dict[str, object], *, limits: Limits | None = None) -> dict[str, object]:
        raise ZeroDivisionError(target, arguments, limits)

    async with desk.animatic(broken) as animatic:
        for attempt_id in ("a", "b"):
            await animatic.submit(attempt_id=attempt_id, plan=PLAN, links={})
            await desk.rings()
            assert await animatic.read(task_id=attempt_id) == Failed(reason="the renderer broke down")


async def test_a_child_that_cannot_be_started_is_tried_again(desk: Desk) -> None:
    gate, tries = Gate(), 0
    gate.open.set()

    async def second_time(
        target: str, arguments: dict[str, object], *, limits: Limits | None = None
    ) -> dict[str, object]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise BlockingIOError(11, "no process left")
        return await gate(target, arguments, limits=limits)

    async with desk.animatic(second_time) as animatic:
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        async with asyncio.timeout(30):
            while await animatic.read(task_id="a") == Pending():  # noqa: ASYNC110 (reading again is what is tested)
                await asyncio.sleep(0)
        assert isinstance(await animatic.read(task_id="a"), Succeeded)
    assert (tries, desk.rung) == (2, ["a"])


async def test_cancelling_a_real_render_leaves_nothing(desk: Desk) -> None:
    async with desk.animatic() as animatic:
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        assert await animatic.read(task_id="a") == Pending()
        assert await animatic.cancel(task_id="a") is True
        assert desk.spool() == set()
        with pytest.raises(TaskGoneError):
            await animatic.read(task_id="a")
    assert desk.rung == []


async def test_cancelling_one_that_waits_lets_the_others_go_on(desk: Desk) -> None:
    async with gated(desk) as (animatic, gate):
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        await animatic.submit(attempt_id="b", plan=PLAN, links={})
        await gate.began.wait()
        assert await animatic.cancel(task_id="b") is True
        gate.open.set()
        await desk.rings()
        assert isinstance(await animatic.read(task_id="a"), Succeeded)
    assert len(gate.outputs) == 1


async def test_what_is_finished_is_not_cancelled(desk: Desk) -> None:
    async with gated(desk) as (animatic, gate):
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        gate.open.set()
        await desk.rings()
        assert await animatic.cancel(task_id="a") is False
        assert isinstance(await animatic.read(task_id="a"), Succeeded)


@pytest.mark.parametrize("task_id", ["never", "../spool/a", "", "a/b", ".hidden", "x" * 200])
async def test_an_unknown_task_is_gone(desk: Desk, task_id: str) -> None:
    async with desk.animatic() as animatic:
        with pytest.raises(TaskGoneError):
            await animatic.read(task_id=task_id)


async def test_an_attempt_that_cannot_name_a_file_is_not_sent(desk: Desk) -> None:
    async with desk.animatic() as animatic:
        with pytest.raises(NotSentError):
            await animatic.submit(attempt_id="../x", plan=PLAN, links={})


async def test_a_spool_that_cannot_be_written_is_not_sent(desk: Desk) -> None:
    async with desk.animatic() as animatic:
        (desk.folder / "spool").rmdir()
        with pytest.raises(NotSentError):
            await animatic.submit(attempt_id="a", plan=PLAN, links={})


async def test_old_tasks_are_swept(desk: Desk) -> None:
    async with gated(desk) as (animatic, _):
        old, young = desk.folder / "spool" / "old.mp4", desk.folder / "spool" / "young.mp4"
        old.write_bytes(b"")
        young.write_bytes(b"")
        os.utime(old, (0, 0))
        await animatic.submit(attempt_id="a", plan=PLAN, links={})
        assert desk.spool() == {"young.mp4", "a.json"}


def test_the_described_request_names_the_references_and_no_paths(desk: Desk) -> None:
    wire = desk.animatic().describe(plan=PLAN, links={})
    assert (wire.method, wire.url, wire.headers) == ("LOCAL", "animatic://render", {})
    text = json.dumps(wire.body)
    assert '"cat.jpg"' in text
    assert '"@Image1"' in text
    assert str(SAMPLES) not in text


@pytest.mark.parametrize("tier", list(Tier))
def test_every_tier_is_free_and_every_option_fits(tier: Tier) -> None:
    one = stored("@Image1", SAMPLES / "cat.jpg")
    request = Request(prompt="@Image1", references=(one.reference,), tier=tier, sound=False, seed=3, watermark=True)
    plan = make_plan(request=request, stored=[one], capabilities=CAPABILITIES, draw_seed=int)
    assert quote_micros(plan, CAPABILITIES) == 0
    assert (plan.model, plan.resolution, plan.seed) == ("animatic-1", "720p", 3)

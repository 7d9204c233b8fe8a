"""A chain as a small tree: a straight line stays a straight line, a branch steps in."""

from collections.abc import Sequence

from bot.delivery import words
from bot.domain.chains import micros_of, path_in, seconds_of
from bot.domain.jobs import Job, JobState
from bot.domain.quota import dollars

LINES_MAX = 9
TITLE_CHARS = 28
BRANCH = "┗ "
STEP_IN = "\u2003"  # markdown keeps an em space where it takes ordinary ones away
DEPTH_MAX = 6
"""Further in, branches stand below one another: a phone's line is short, and so is a card's field."""
HERE = "◀"


def tree(family: Sequence[Job], here: int) -> str:
    """Each clip with its length and charge, then what the way to this one comes to; long ones are cut around it."""
    places = _places(family)
    lines = [_line(job, depth, number, here) for job, depth, number in places]
    place = next((at for at, (job, _, _) in enumerate(places) if job.id == here), 0)
    first = min(max(0, place - LINES_MAX // 2), max(0, len(lines) - LINES_MAX))
    shown = lines[first : first + LINES_MAX]
    if first:
        shown.insert(0, f"-# … {first} before")
    if first + LINES_MAX < len(lines):
        shown.append(f"-# … {len(lines) - first - LINES_MAX} more")
    return "\n".join([*shown, f"**Up to here: {total(path_in(family, here))}**"])


def total(chain: Sequence[Job]) -> str:
    """`3 clips · 15 s · $0.90`."""
    charged = micros_of(chain)
    clips = "1 clip" if len(chain) == 1 else f"{len(chain)} clips"
    return f"{clips} · {seconds_of(chain)} s · {dollars(charged) if charged else 'free'}"


def _places(family: Sequence[Job]) -> list[tuple[Job, int, int]]:
    """Each clip from top to bottom, with how far it stands in and its number on the way from the first."""
    children: dict[int | None, list[Job]] = {}
    known = {job.id for job in family}
    for job in family:
        children.setdefault(job.parent_id if job.parent_id in known else None, []).append(job)
    found: list[tuple[Job, int, int]] = []
    # By hand, not by recursion: a chain has no end.
    waiting = [(job, 0, 1) for job in reversed(children.get(None, []))]
    while waiting:
        job, depth, number = waiting.pop()
        found.append((job, depth, number))
        below = children.get(job.id, [])
        deeper = depth + (len(below) > 1)
        waiting.extend((child, deeper, number + 1) for child in reversed(below))
    return found


def _line(job: Job, depth: int, number: int, here: int) -> str:
    indent = f"{STEP_IN * (min(depth, DEPTH_MAX) - 1)}{BRANCH}" if depth else ""
    seconds = f"{job.plan.duration_seconds} s" if job.plan else "not planned"
    title = job.title if len(job.title) <= TITLE_CHARS else f"{job.title[: TITLE_CHARS - 1].rstrip()}…"
    mark = f" {HERE}" if job.id == here else ""
    return f"{indent}{number} · {seconds} · {_stand(job)} · {words.plain(title)}{mark}"


def _stand(job: Job) -> str:
    if job.is_open:
        return "under way"
    if job.state is not JobState.DELIVERED:
        return words.stage(job).lower()
    return dollars(job.cost_micros) if job.cost_micros else "free"

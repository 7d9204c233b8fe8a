"""Camera moves over a still: which part of the canvas is seen at which moment."""

import random
from dataclasses import dataclass
from math import pi, sin

from bot.domain.requests import Camera
from bot.domain.slots import Frame
from bot.providers.animatic.shots import Showing

FULL_AMPLITUDE_FRAMES = 60
"""A shorter showing moves less: the same way in less time would be a jerk."""

_DRAWN_PART = 0.88


@dataclass(frozen=True, slots=True)
class View:
    """What is seen: a part of the canvas (1 is all of it), and where in its play it lies, -1 to 1 each way."""

    part: float
    across: float = 0.0
    down: float = 0.0

    def box(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        width, height = size[0] * self.part, size[1] * self.part
        left = (size[0] - width) / 2 * (1 + self.across)
        top = (size[1] - height) / 2 * (1 + self.down)
        return (left, top, min(left + width, size[0]), min(top + height, size[1]))


@dataclass(frozen=True, slots=True)
class Move:
    """An eased way between two views; in its middle, `bow` lifts the view and `push` brings it closer."""

    before: View
    after: View
    bow: float = 0.0
    push: float = 0.0

    def at(self, moment: float) -> View:
        """`moment` runs from 0 to 1; the ends are exact and at rest."""
        way = eased(moment)
        arc = sin(pi * way)
        return View(
            _between(self.before.part, self.after.part, way) - self.push * arc,
            _between(self.before.across, self.after.across, way),
            _between(self.before.down, self.after.down, way) - self.bow * arc,
        )

    def weaker(self, strength: float) -> "Move":
        before, after = _weaker(self.before, strength), _weaker(self.after, strength)
        return Move(before, after, self.bow, self.push * strength)


def eased(moment: float) -> float:
    """From 0 to 1 without a jolt: it sets out and arrives slowly."""
    return moment * moment * (3 - 2 * moment)


_ALL = View(1.0)
_SIDE = 0.84
# A zoom enlarges the middle. A dolly goes further and sinks, as one that walks in; a crane rises and widens at once.
_WAYS: dict[Camera, Move] = {
    Camera.DOLLY_IN: Move(_ALL, View(0.76, down=0.5)),
    Camera.DOLLY_OUT: Move(View(0.76, down=0.5), _ALL),
    Camera.ZOOM_IN: Move(_ALL, View(0.86)),
    Camera.ZOOM_OUT: Move(View(0.86), _ALL),
    Camera.PAN_LEFT: Move(View(_SIDE, across=1), View(_SIDE, across=-1)),
    Camera.PAN_RIGHT: Move(View(_SIDE, across=-1), View(_SIDE, across=1)),
    Camera.TILT_UP: Move(View(_SIDE, down=1), View(_SIDE, down=-1)),
    Camera.TILT_DOWN: Move(View(_SIDE, down=-1), View(_SIDE, down=1)),
    Camera.CRANE_UP: Move(View(0.76, down=1), View(0.94, down=-1)),
    Camera.CRANE_DOWN: Move(View(0.94, down=-1), View(0.76, down=1)),
    Camera.ORBIT_LEFT: Move(View(0.88, across=1, down=0.6), View(0.88, across=-1, down=0.6), bow=1.2, push=0.08),
    Camera.ORBIT_RIGHT: Move(View(0.88, across=-1, down=0.6), View(0.88, across=1, down=0.6), bow=1.2, push=0.08),
    Camera.FIXED: Move(_ALL, _ALL),
}
_ON_A_CARD = Move(_ALL, View(0.94))


def move_for(showing: Showing, asked: Camera | None, seed: int) -> Move:
    """What is asked for, else drawn from the seed. A first frame starts whole and an end frame ends whole.

    Out of a whole first frame no camera can go further back: there it rests, as it does before an end frame that is
    to be approached.
    """
    strength = min(1.0, showing.frames / FULL_AMPLITUDE_FRAMES)
    match showing.place:
        case Frame.FIRST:
            way = _WAYS[asked or Camera.ZOOM_IN]
            return Move(_ALL, way.after, way.bow, way.push).weaker(strength)
        case Frame.END:
            way = _WAYS[asked or Camera.ZOOM_OUT]
            return Move(way.before, _ALL, way.bow, way.push).weaker(strength)
        case None if asked is None:
            return _ON_A_CARD.weaker(strength)
    return _drawn(showing, seed, strength) if asked is None else _WAYS[asked].weaker(strength)


def _drawn(showing: Showing, seed: int, strength: float) -> Move:
    """Towards a part of the picture or back from it, so that all of the picture is seen once."""
    draw = random.Random(f"{seed} {showing.place} {showing.start}")  # noqa: S311 (a look, not a secret)
    close = _weaker(View(_DRAWN_PART, draw.uniform(-0.8, 0.8), draw.uniform(-0.8, 0.4)), strength)
    return Move(_ALL, close) if draw.random() < 0.5 else Move(close, _ALL)  # noqa: PLR2004 (even odds)


def _weaker(view: View, strength: float) -> View:
    return View(1 - (1 - view.part) * strength, view.across, view.down)


def _between(before: float, after: float, part: float) -> float:
    return before + (after - before) * part

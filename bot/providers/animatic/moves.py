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


_ALL = View(1.0)
_CLOSE = View(0.9)
_WAYS: dict[Camera, tuple[View, View]] = {
    Camera.DOLLY_IN: (_ALL, View(0.87)),
    Camera.DOLLY_OUT: (View(0.87), _ALL),
    Camera.ZOOM_IN: (_ALL, _CLOSE),
    Camera.ZOOM_OUT: (_CLOSE, _ALL),
    Camera.PAN_LEFT: (View(0.92, across=1), View(0.92, across=-1)),
    Camera.PAN_RIGHT: (View(0.92, across=-1), View(0.92, across=1)),
    Camera.TILT_UP: (View(0.92, down=1), View(0.92, down=-1)),
    Camera.TILT_DOWN: (View(0.92, down=-1), View(0.92, down=1)),
    Camera.CRANE_UP: (View(0.88, down=1), View(0.94, down=-1)),
    Camera.CRANE_DOWN: (View(0.94, down=-1), View(0.88, down=1)),
    Camera.ORBIT_LEFT: (View(0.92, across=1), View(0.92, across=-1)),
    Camera.ORBIT_RIGHT: (View(0.92, across=-1), View(0.92, across=1)),
    Camera.FIXED: (_ALL, _ALL),
}
_ORBITS = (Camera.ORBIT_LEFT, Camera.ORBIT_RIGHT)


_FRAME_CAMERAS = {Frame.FIRST: Camera.ZOOM_IN, Frame.END: Camera.ZOOM_OUT}


@dataclass(frozen=True, slots=True)
class Move:
    """An eased way between two views; `bow` lifts its middle, as an orbit does."""

    before: View
    after: View
    bow: float = 0.0

    def at(self, moment: float) -> View:
        """`moment` runs from 0 to 1; the ends are exact and at rest."""
        eased = moment * moment * (3 - 2 * moment)
        return View(
            _between(self.before.part, self.after.part, eased),
            _between(self.before.across, self.after.across, eased),
            _between(self.before.down, self.after.down, eased) - self.bow * sin(pi * eased),
        )


_CARD = Move(_ALL, View(0.96))


def move_for(showing: Showing, asked: Camera | None, seed: int) -> Move:
    """What the words ask for, else drawn from the seed. A first frame starts whole and an end frame ends whole."""
    if showing.place is None:
        return _CARD  # its words must stay where they can be read
    strength = min(1.0, showing.frames / FULL_AMPLITUDE_FRAMES)
    if isinstance(showing.place, Frame) and asked is not Camera.FIXED:
        return _way(_FRAME_CAMERAS[showing.place], strength)
    return _drawn(showing, seed, strength) if asked is None else _way(asked, strength)


def _way(camera: Camera, strength: float) -> Move:
    before, after = _WAYS[camera]
    return Move(_weaker(before, strength), _weaker(after, strength), bow=0.8 if camera in _ORBITS else 0.0)


def _drawn(showing: Showing, seed: int, strength: float) -> Move:
    """Towards a part of the picture or back from it, so that all of the picture is seen once."""
    draw = random.Random(f"{seed} {showing.place} {showing.start}")  # noqa: S311 (a look, not a secret)
    close = _weaker(View(_DRAWN_PART, draw.uniform(-0.8, 0.8), draw.uniform(-0.8, 0.4)), strength)
    return Move(_ALL, close) if draw.random() < 0.5 else Move(close, _ALL)  # noqa: PLR2004 (even odds)


def _weaker(view: View, strength: float) -> View:
    return View(1 - (1 - view.part) * strength, view.across, view.down)


def _between(before: float, after: float, part: float) -> float:
    return before + (after - before) * part

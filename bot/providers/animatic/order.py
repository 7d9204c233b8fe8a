"""What is to be rendered, as it lies in the spool and as it goes to the child process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from bot.domain.references import StoredReference
from bot.domain.requests import Aspect, Plan
from bot.domain.slots import Frame, Kind, Place, Slot, kind_of, mentions

# The model's own rasters, so that the storyboard has the shape of the clip that may follow it.
RASTERS: dict[str, dict[Aspect, tuple[int, int]]] = {
    "1080p": {
        Aspect.ULTRAWIDE: (2206, 946),
        Aspect.WIDE: (1920, 1080),
        Aspect.CLASSIC: (1664, 1248),
        Aspect.SQUARE: (1440, 1440),
        Aspect.PORTRAIT: (1248, 1664),
        Aspect.TALL: (1080, 1920),
    },
    "720p": {
        Aspect.ULTRAWIDE: (1470, 630),
        Aspect.WIDE: (1280, 720),
        Aspect.CLASSIC: (1112, 834),
        Aspect.SQUARE: (960, 960),
        Aspect.PORTRAIT: (834, 1112),
        Aspect.TALL: (720, 1280),
    },
    "480p": {
        Aspect.ULTRAWIDE: (992, 432),
        Aspect.WIDE: (854, 480),
        Aspect.CLASSIC: (752, 560),
        Aspect.SQUARE: (640, 640),
        Aspect.PORTRAIT: (560, 752),
        Aspect.TALL: (480, 854),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One reference of an order. `place` is `@Image1` or `first_frame`."""

    place: str
    name: str
    sha256: str
    format: str
    duration_ms: int

    @property
    def where(self) -> Place:
        return mentions(self.place)[0] if self.place.startswith("@") else Frame(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that decides the picture and the sound; the same order gives the same bytes."""

    prompt: str
    seconds: int
    width: int
    height: int
    sound: bool
    seed: int
    materials: tuple[Material, ...]

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "materials": [asdict(material) for material in self.materials]}


def order_of(plan: Plan) -> Order:
    width, height = RASTERS[plan.resolution][_aspect(plan)]
    return Order(
        prompt=plan.prompt,
        seconds=plan.duration_seconds,
        width=width,
        height=height,
        sound=plan.sound,
        seed=plan.seed or 0,
        materials=tuple(_material(one) for one in plan.references),
    )


def order_from(data: Mapping[str, object]) -> Order:
    """Read back what `as_json` wrote; other keys are left alone."""
    fields = {name: data[name] for name in Order.__slots__ if name != "materials"}
    materials = cast("list[dict[str, object]]", data["materials"])
    return Order(**fields, materials=tuple(Material(**one) for one in materials))  # type: ignore[arg-type]  # our own JSON


def _material(one: StoredReference) -> Material:
    return Material(
        place=str(one.place),
        name=one.name,
        sha256=one.sha256,
        format=one.info.format,
        duration_ms=one.info.duration_ms,
    )


def _aspect(plan: Plan) -> Aspect:
    """`auto` is the nearest of the six to the first frame, or to the first picture where there is none."""
    if plan.aspect is not Aspect.AUTO:
        return plan.aspect
    pictures = [one for _, one in plan.slotted if kind_of(one.place) is not Kind.AUDIO]
    leading = plan.at(Frame.FIRST) or next(iter(pictures), None)
    if leading is None:
        return Aspect.WIDE
    ratio = leading.info.width / leading.info.height
    return min(RASTERS["720p"], key=lambda aspect: _distance(ratio, RASTERS["720p"][aspect]))


def _distance(ratio: float, raster: tuple[int, int]) -> float:
    """How many times too wide or too narrow."""
    other = raster[0] / raster[1]
    return max(ratio / other, other / ratio)


def slots_in(order: Order) -> dict[Slot, Material]:
    return {material.where: material for material in order.materials if isinstance(material.where, Slot)}

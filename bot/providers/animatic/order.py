"""What is to be rendered, as it lies in the spool and as it goes to the child process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from bot.domain.pricing import SHAPES_PX
from bot.domain.references import StoredReference
from bot.domain.requests import Aspect, Plan
from bot.domain.slots import Frame, Kind, Place, Slot, kind_of, mentions

# The model's own shapes, so that the storyboard has the shape of the clip that may follow it; but the wide 480p is
# what a player calls by that name.
_WIDE_480P = {Aspect.WIDE: (854, 480), Aspect.TALL: (480, 854)}
RASTERS = {**SHAPES_PX, "480p": {**SHAPES_PX["480p"], **_WIDE_480P}}


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

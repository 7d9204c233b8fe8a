"""Makes references, has them rendered, and reads back what came out, with nothing of the renderer's own code."""

import hashlib
import math
import wave
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from bot.domain.references import Reference, StoredReference
from bot.domain.requests import Aspect, Plan, Tier
from bot.domain.slots import Frame, Place, mentions
from bot.media.probe import probe
from bot.providers.animatic.order import order_of
from bot.providers.animatic.render import render

SAMPLES = Path(__file__).parents[3] / "bot" / "samples"
RATE = 48_000
Colour = tuple[int, int, int]
Rgb = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float64]


def place_of(name: str) -> Place:
    return mentions(name)[0] if name.startswith("@") else Frame(name)


def stored(place: str, path: Path) -> StoredReference:
    with path.open("rb") as file:
        info = probe(file, path.stat().st_size)
    return StoredReference(
        reference=Reference(place=place_of(place), name=path.name, source=str(path), declared_bytes=1),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
        info=info,
    )


def plan_of(
    prompt: str,
    references: Mapping[str, Path],
    *,
    seconds: int = 4,
    aspect: Aspect = Aspect.WIDE,
    resolution: str = "480p",
    sound: bool = True,
    seed: int = 7,
) -> Plan:
    return Plan(
        provider="animatic",
        model="animatic-1",
        tier=Tier.FAST,
        prompt=prompt,
        duration_seconds=seconds,
        aspect=aspect,
        resolution=resolution,
        sound=sound,
        seed=seed,
        references=tuple(stored(place, path) for place, path in references.items()),
    )


def render_plan(plan: Plan, output: Path) -> dict[str, object]:
    paths = {str(one.place): one.reference.source for one in plan.references}
    return render(order=order_of(plan).as_json(), paths=paths, output=str(output))


@dataclass(frozen=True, kw_only=True)
class Film:
    """A decoded file: every frame as RGB, the sound as one channel."""

    frames: list[Rgb]
    sound: Wave | None
    codecs: tuple[str, ...]
    pixel_format: str
    rate: Fraction | None
    boxes: list[bytes]


def film(plan: Plan, folder: Path) -> Film:
    output = folder / "out.mp4"
    result = render_plan(plan, output)
    made = read_film(output)
    assert result == {"frames": len(made.frames), "bytes": output.stat().st_size}
    assert not list(folder.glob("*.part"))
    return made


def read_film(path: Path) -> Film:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video)]
        return Film(
            frames=frames,
            sound=read_sound(path) if container.streams.audio else None,
            codecs=tuple(stream.codec_context.name for stream in container.streams),
            pixel_format=str(video.codec_context.pix_fmt),
            rate=video.average_rate,
            boxes=boxes(path),
        )


def read_sound(path: Path) -> Wave:
    """The mean of both channels; FFmpeg's own way to one channel is louder."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    both = np.concatenate([part.to_ndarray() for part in parts], axis=1).astype(np.float64)
    return np.asarray((both[0] + both[1]) / 2, dtype=np.float64)


def boxes(path: Path) -> list[bytes]:
    """The names of the file's outermost boxes, in their order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return names


# -- making references


def picture(path: Path, colour: Colour, size: tuple[int, int] = (640, 480)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def tone(path: Path, hertz: float, seconds: float = 2.0, peak: int = 9000) -> Path:
    samples = [round(peak * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(round(seconds * RATE))]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array("h", samples).tobytes())
    return path


def clip(path: Path, images: list[Image.Image], sound: Path | None = None) -> Path:
    """A clip of 24 fps in high quality, with the sound of a WAV if wanted."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "8", "preset": "ultrafast"})
        stream.width, stream.height = images[0].size
        stream.pix_fmt = "yuv420p"
        voice = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))  # type: ignore[no-untyped-call]  # PyAV's
        container.mux(stream.encode(None))
        if sound and voice:
            with av.open(str(sound)) as source:
                for frame in source.decode(audio=0):
                    container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return path


def still_clip(path: Path, colour: Colour, seconds: float = 2.0) -> Path:
    return clip(path, [Image.new("RGB", (640, 480), colour)] * round(seconds * 24))


# -- looking at pictures and sounds


def covered(path: Path, size: tuple[int, int]) -> Rgb:
    """The picture cropped to the middle in the wanted shape, as a first frame should be."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS))


def psnr(a: Rgb, b: Rgb) -> float:
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))


def bare(frame: Rgb) -> Rgb:
    """The part over which nothing is written."""
    height = frame.shape[0]
    return frame[height // 6 : height // 2]


def likeness(a: Rgb, b: Rgb) -> float:
    return float(np.corrcoef(bare(a).ravel(), bare(b).ravel())[0, 1])


def colour_of(frame: Rgb) -> npt.NDArray[np.float64]:
    height, width, _ = frame.shape
    middle = frame[height // 3 : height // 2, width // 3 : -width // 3]
    return np.asarray(np.median(middle, axis=(0, 1)), dtype=np.float64)


def loudness_at(sound: Wave, hertz: float) -> float:
    """The strength of one tone: 1 is a full-scale sine that fills the whole stretch."""
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / RATE)
    return float(2 * abs(np.mean(sound * turn)))


def best_lag(long: Wave, short: Wave) -> tuple[float, float]:
    """Where in `long` the sound `short` lies, in seconds, and how alike the two are there."""
    size = 1 << (len(long) + len(short)).bit_length()
    product = np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size))
    at = int(np.argmax(np.fft.irfft(product, size)[: len(long)]))
    found = long[at : at + len(short)]
    return at / RATE, float(np.corrcoef(found, short[: len(found)])[0, 1])

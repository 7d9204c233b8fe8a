"""Real files of every kind that is taken, made once."""

from pathlib import Path

import pytest

from tests.media import making

SAMPLES = Path(__file__).parents[2] / "bot" / "samples"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By name; each one is a whole, honest file."""
    folder = tmp_path_factory.mktemp("media")
    made = [
        *(making.picture(folder / name) for name in ("a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif")),
        making.picture(folder / "lossless.webp", lossless=True),
        making.picture(folder / "exif.webp", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
        making.picture(folder / "big-endian.tiff", tiffinfo={270: "made for a test"}),
        making.turned_jpeg(folder / "turned.jpg", 6),
        making.clip(folder / "last.mp4", sound=True),
        making.clip(folder / "first.mp4", sound=True, movflags="faststart"),
        making.clip(folder / "a.mov", sound=True),
        making.clip(folder / "silent.mp4"),
        making.clip(folder / "hevc.mp4", codec="libx265", seconds=0.5),
        making.clip(folder / "fragments.mp4", sound=True, movflags="frag_keyframe+empty_moov+default_base_moof"),
        making.tone(folder / "a.wav"),
        making.tone(folder / "float.wav", codec="pcm_f32le"),
        making.tone(folder / "cbr.mp3", codec="libmp3lame", seconds=12),
        making.tone(folder / "cbr-bare.mp3", codec="libmp3lame", seconds=12, muxer={"write_xing": "0"}),
        making.tone(folder / "vbr.mp3", codec="libmp3lame", seconds=12, encoder=VBR),
        making.tone(folder / "vbr-bare.mp3", codec="libmp3lame", seconds=12, encoder=VBR, muxer={"write_xing": "0"}),
        making.tone(folder / "a.m4a", codec="aac"),
    ]
    made.append(making.turn_clip(folder / "first.mp4", folder / "turned.mp4"))
    made.append(making.tell_fragments_length(folder / "fragments.mp4", folder / "told.mp4", ticks=2_500))
    return {path.name: path for path in made}


VBR = {"flags": "+qscale", "global_quality": str(118 * 4)}

"""Pictures that show many at once: a clip's contact sheet, and a request's references as a strip.

Only a child process loads this module: it decodes what nobody vouches for.
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from bot.media.streams import Size
from bot.media.thumbnails import frames_of, thumbnail, waveform

CELLS = 12
SHEET_CELL = 320
STRIP_BYTES_MAX = 150_000
COLUMNS_MAX = 5

_GAP = 6
_PAPER, _EMPTY, _INK, _DIM = (30, 31, 34), (49, 51, 56), (242, 243, 245), (148, 155, 164)
_WAVE = (88, 166, 255)
_PORTRAIT = 0.8
_STAMP_POINTS = 24
_TILE: Size = (176, 124)
_LABEL_HEIGHT, _LABEL_POINTS, _LABEL_POINTS_MIN = 34, 27, 14
_QUALITIES = (88, 75, 60, 45, 30)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(*, path: str, output: str) -> dict[str, object]:
    """Up to twelve frames from the first to the last, each with its time, as a JPEG.

    {"frames", "width", "height", "bytes"}; cells at most 320 px wide and high. Raises UnreadableError.
    """
    shots = frames_of(Path(path), count=CELLS, box=(SHEET_CELL, SHEET_CELL))
    cell = shots[0].picture.size
    columns = min(6 if cell[0] / cell[1] <= _PORTRAIT else 4, len(shots))
    sheet = _paper(cell, columns=columns, cells=len(shots))
    for at, shot in enumerate(shots):
        place = _place(at, cell, columns)
        sheet.paste(shot.picture, place)
        _stamp(sheet, place, _clock(shot.seconds))
    sheet.save(output, "JPEG", quality=85)
    return {"frames": len(shots), "width": sheet.width, "height": sheet.height, "bytes": Path(output).stat().st_size}


def strip(*, pictures: Sequence[dict[str, str]], output: str) -> dict[str, object]:
    """Labelled tiles in rows of at most five, as a JPEG under 150 KB.

    Each picture is {"label": "@Image1", "path": …, "kind": "image" | "video" | "audio"}; what cannot be drawn gets
    an empty tile. {"tiles", "drawn", "width", "height", "bytes"}.
    """
    rows = max(-(-len(pictures) // COLUMNS_MAX), 1)
    columns = max(-(-len(pictures) // rows), 1)
    cell = (_TILE[0], _TILE[1] + _LABEL_HEIGHT)
    sheet = _paper(cell, columns=columns, cells=len(pictures))
    drawn = 0
    for at, picture in enumerate(pictures):
        left, top = _place(at, cell, columns)
        tile = _drawn(picture)
        drawn += tile is not None
        sheet.paste(tile or _empty_tile(), (left, top))
        _label(sheet, (left, top + _TILE[1]), picture["label"])
    _save_small(sheet, Path(output))
    size_bytes = Path(output).stat().st_size
    return {"tiles": len(pictures), "drawn": drawn, "width": sheet.width, "height": sheet.height, "bytes": size_bytes}


# -- the grid


def _paper(cell: Size, *, columns: int, cells: int) -> Image.Image:
    rows = -(-cells // columns)
    return Image.new("RGB", (columns * (cell[0] + _GAP) + _GAP, rows * (cell[1] + _GAP) + _GAP), _PAPER)


def _place(at: int, cell: Size, columns: int) -> tuple[int, int]:
    row, column = divmod(at, columns)
    return _GAP + column * (cell[0] + _GAP), _GAP + row * (cell[1] + _GAP)


def _save_small(sheet: Image.Image, output: Path) -> None:
    for quality in _QUALITIES:
        sheet.save(output, "JPEG", quality=quality)
        if output.stat().st_size < STRIP_BYTES_MAX:
            return


# -- letters


def _clock(seconds: float) -> str:
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths // 10:02}.{tenths % 10}"


def _stamp(sheet: Image.Image, place: tuple[int, int], text: str) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_STAMP_POINTS)
    left, top, right, bottom = draw.textbbox((place[0] + 10, place[1] + 6), text, font=font)
    draw.rounded_rectangle((left - 6, top - 5, right + 6, bottom + 5), 5, fill=_PAPER)
    draw.text((place[0] + 10, place[1] + 6), text, fill=_INK, font=font)


def _label(sheet: Image.Image, place: tuple[int, int], text: str) -> None:
    """As large as it fits, in the middle under its tile."""
    draw = ImageDraw.Draw(sheet)
    points = _LABEL_POINTS
    while points > _LABEL_POINTS_MIN and draw.textlength(text, font=ImageFont.load_default(points)) > _TILE[0]:
        points -= 1
    middle = (place[0] + _TILE[0] // 2, place[1] + _LABEL_HEIGHT // 2)
    draw.text(middle, text, fill=_INK, font=ImageFont.load_default(points), anchor="mm")


# -- tiles


def _drawn(picture: dict[str, str]) -> Image.Image | None:
    path = Path(picture["path"])
    try:
        match picture["kind"]:
            case "audio":
                return _sound_tile(waveform(path, columns=_TILE[0] // 4))
            case "video":
                return _with_play_mark(_tile(frames_of(path, count=1, box=_TILE)[0].picture))
            case _:
                return _tile(thumbnail(path, _TILE))
    except Exception:  # noqa: BLE001 (decoders fail in a hundred ways; a strip without one picture is still of use)
        return None


def _tile(picture: Image.Image) -> Image.Image:
    """The whole picture in the middle of a tile."""
    return ImageOps.pad(picture, _TILE, Image.Resampling.BICUBIC, color=_EMPTY)


def _sound_tile(peaks: Sequence[float]) -> Image.Image:
    tile = Image.new("RGB", _TILE, _EMPTY)
    draw, middle = ImageDraw.Draw(tile), _TILE[1] // 2
    loudest = max(peaks, default=0) or 1
    for at, peak in enumerate(peaks):
        half = max(round(peak / loudest * (middle - 14)), 1)
        draw.rectangle((at * 4 + 1, middle - half, at * 4 + 2, middle + half), fill=_WAVE)
    return tile


def _with_play_mark(tile: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(tile, "RGBA")
    x, y, radius = _TILE[0] // 2, _TILE[1] // 2, 26
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(0, 0, 0, 150), outline=(255, 255, 255, 230))
    draw.polygon(((x - 8, y - 13), (x - 8, y + 13), (x + 14, y)), fill=(255, 255, 255, 240))
    return tile


def _empty_tile() -> Image.Image:
    tile = Image.new("RGB", _TILE, _EMPTY)
    draw, (x, y) = ImageDraw.Draw(tile), (_TILE[0] // 2, _TILE[1] // 2)
    draw.rectangle((x - 26, y - 20, x + 26, y + 20), outline=_DIM, width=3)
    draw.line((x - 26, y + 20, x + 26, y - 20), fill=_DIM, width=3)
    return tile

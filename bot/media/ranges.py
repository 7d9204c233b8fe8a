"""The rest of a file that was broken off: how to ask for it, and whether an answer is that rest.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of a file is being fetched. `size_bytes` None: not told."""

    etag: str = ""
    modified: str = ""
    size_bytes: int | None = None

    @property
    def validator(self) -> str:
        """For `If-Range`: a weak tag promises no equal bytes, so then the date; empty where there is neither."""
        return self.etag or self.modified

    def headers_for_rest(self, begin: int) -> dict[str, str]:
        """Empty when the file must be asked for anew."""
        if not begin or not self.validator:
            return {}
        return {"Range": f"bytes={begin}-", "If-Range": self.validator}

    def is_same_as(self, other: "Version") -> bool:
        """Nothing that both say differs; where both have a tag, dates do not count."""
        tagged = (self.etag, other.etag) if self.etag and other.etag else (self.modified, other.modified)
        pairs: tuple[tuple[object, object], ...] = ((self.size_bytes, other.size_bytes), tagged)
        return all(mine == its for mine, its in pairs if mine and its)


def version_of(headers: Mapping[str, str]) -> Version:
    """Of a whole answer or of a part."""
    etag = headers.get("ETag", "")
    told = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    total = told[3] if told else headers.get("Content-Length", "")
    return Version(
        etag=etag if etag.startswith('"') else "",
        modified=headers.get("Last-Modified", ""),
        size_bytes=int(total) if re.fullmatch(r"\d{1,18}", total, re.ASCII) else None,
    )


def is_rest(status: int, headers: Mapping[str, str], *, version: Version, begin: int) -> bool:
    """A part of the very file we have, from the very byte we need."""
    told = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if status != HTTPStatus.PARTIAL_CONTENT or told is None or int(told[1]) != begin:
        return False
    return version.is_same_as(version_of(headers))

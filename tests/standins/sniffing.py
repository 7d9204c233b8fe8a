"""What kind of file it is, as a provider sees it."""


def sniff(head: bytes) -> str | None:
    """Image, video or audio, by the file's own first bytes."""
    if head[4:8] == b"ftyp":
        return "image" if head[8:12] in {b"avif", b"heic"} else "video"
    riff = {b"WEBP": "image", b"WAVE": "audio"}
    if head[:4] == b"RIFF":
        return riff.get(head[8:12])
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")):
        return "image"
    is_mp3 = head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")
    return "audio" if is_mp3 else None

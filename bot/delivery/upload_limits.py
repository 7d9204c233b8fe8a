"""What a server takes per file: what is written, until Discord's own 413 teaches better."""

MEBIBYTE = 1024 * 1024
STEPS = (10 * MEBIBYTE, 20 * MEBIBYTE, 50 * MEBIBYTE, 100 * MEBIBYTE)
DIRECT = -1
"""A direct message: no server's boosts count there."""
BELIEVED = {DIRECT: 10 * MEBIBYTE, 0: 20 * MEBIBYTE, 1: 20 * MEBIBYTE, 2: 50 * MEBIBYTE, 3: 100 * MEBIBYTE}
"""By boost tier (docs.discord.com, reference). The help pages have said 20 MiB for servers without boosts since 2026
while the API went on refusing it: the larger one is tried once."""
FORM_BYTES = 64 * 1024
"""Room for the rest of the upload's form."""


class UploadLimits:
    """By boost tier; what was learned lasts as long as the process."""

    def __init__(self) -> None:
        self._refused: dict[int, int] = {}

    def room(self, tier: int) -> int:
        """Bytes a file may have; the smallest step when everything was refused."""
        refused = self._refused.get(tier, STEPS[-1] + 1)
        open_steps = [step for step in STEPS if step <= BELIEVED[tier] and step - FORM_BYTES < refused]
        return max(open_steps, default=STEPS[0]) - FORM_BYTES

    def refuse(self, tier: int, size_bytes: int) -> None:
        """A file of this size came back with 413."""
        self._refused[tier] = min(size_bytes, self._refused.get(tier, size_bytes))

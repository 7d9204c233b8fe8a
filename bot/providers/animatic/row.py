"""What the embedded provider can do, as data."""

from bot.domain.capabilities import Capabilities, TierRow
from bot.domain.requests import Aspect, Tier
from bot.domain.slots import Kind

PROVIDER = "animatic"
_TIER = TierRow(model="animatic-1", resolutions=("720p", "480p", "1080p"), micros_per_second=0)

CAPABILITIES = Capabilities(
    provider=PROVIDER,
    title="Animatic",
    source="our own: it renders on this machine (bot/providers/animatic)",
    tiers=dict.fromkeys(Tier, _TIER),
    durations=tuple(range(4, 15 + 1)),
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    options=frozenset({"seed", "watermark"}),
    silent_with_audio=True,
    frames_with_references=True,
    takes_links_only=False,
    submits_repeatably=True,
    mention_template="@{kind}{number}",
    max_concurrent=1,
    requests_per_second=50.0,
    typical_seconds=4,
    deadline_seconds=600,
)

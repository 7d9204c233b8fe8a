"""What the embedded provider can do, as data."""

from datetime import date

from bot.domain.capabilities import Capabilities, Frames, Option, TierRow, Transport
from bot.domain.pricing import PerSecond
from bot.domain.requests import Aspect, Tier
from bot.domain.slots import Kind

PROVIDER = "animatic"
_SOURCE, _READ_ON = "our own: it renders on this machine (bot/providers/animatic)", date(2026, 11, 20)
_TIER = TierRow(
    model="animatic-1",
    resolutions=("720p", "480p", "1080p"),
    price=PerSecond(micros=0, source=_SOURCE, dated=_READ_ON),
)

CAPABILITIES = Capabilities(
    provider=PROVIDER,
    title="Animatic",
    source=_SOURCE,
    read_on=_READ_ON,
    tiers=dict.fromkeys(Tier, _TIER),
    durations=range(4, 15 + 1),
    aspects=tuple(Aspect),
    references_max={Kind.IMAGE: 9, Kind.VIDEO: 3, Kind.AUDIO: 3},
    transports=dict.fromkeys(Kind, (Transport.FILE,)),
    frames=Frames(with_references=True),
    options=frozenset({Option.SEED, Option.WATERMARK}),
    submits_repeatably=True,
    mention_template="@{kind}{number}",
    max_concurrent=1,
    requests_per_second=50.0,
    typical_seconds=4,
    deadline_seconds=600,
)

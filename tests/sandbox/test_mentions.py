"""Who a text pings under which allowed mentions."""

import pytest

from bot.sandbox.mentions import pings_of
from bot.sandbox.records import Json, Pings

ADA, GRACE, EDITORS = 100000000000000001, 100000000000000002, 100000000000000003
TEXT = f"<@{ADA}> <@!{GRACE}> <@&{EDITORS}> @everyone"
NOBODY = Pings()
ALL = Pings(users=frozenset({ADA, GRACE}), roles=frozenset({EDITORS}), everyone=True)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, ALL),
        ({"parse": []}, NOBODY),
        ({}, NOBODY),
        ({"parse": ["users"]}, Pings(users=frozenset({ADA, GRACE}))),
        ({"parse": ["roles", "everyone"]}, Pings(roles=frozenset({EDITORS}), everyone=True)),
        ({"users": [str(ADA)]}, Pings(users=frozenset({ADA}))),
        ({"users": [ADA, 100000000000000009]}, Pings(users=frozenset({ADA}))),
        ({"roles": [EDITORS]}, Pings(roles=frozenset({EDITORS}))),
    ],
)
def test_only_allowed_mentions_ping(allowed: Json | None, expected: Pings) -> None:
    assert pings_of([TEXT], allowed) == expected


def test_a_reply_pings_its_author_only_when_told() -> None:
    assert pings_of(["hello"], {"parse": []}, replied_to=ADA) == NOBODY
    assert pings_of(["hello"], {"parse": [], "replied_user": True}, replied_to=ADA).users == {ADA}
    assert pings_of(["hello"], None, replied_to=ADA).users == {ADA}
    assert not NOBODY
    assert ALL

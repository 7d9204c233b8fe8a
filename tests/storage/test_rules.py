from dataclasses import replace

from bot.domain.quota import Audience, Period, Rule, Unit
from bot.ports.books import Transaction
from bot.storage.books import SqliteBooks

EVERYONE = Rule(guild_id=1, audience=Audience.EVERYONE, unit=Unit.CLIPS, period=Period.DAY, amount=5)


async def test_a_rule_replaces_the_one_for_the_same_thing(books: SqliteBooks) -> None:
    role = replace(EVERYONE, audience=Audience.ROLE, subject_id=2**62)
    elsewhere = replace(EVERYONE, guild_id=2)
    weekly = replace(EVERYONE, period=Period.WEEK)

    def put(tx: Transaction) -> None:
        for rule in (EVERYONE, role, elsewhere, weekly, replace(EVERYONE, amount=0)):
            tx.rules.put(rule)

    await books.write(put)
    found = await books.write(lambda tx: tx.rules.of_guild(1))
    assert sorted(found, key=repr) == sorted([replace(EVERYONE, amount=0), role, weekly], key=repr)
    assert await books.write(lambda tx: tx.rules.of_guild(2)) == [elsewhere]


async def test_a_pause_holds_for_its_guild_and_the_operators_for_all(books: SqliteBooks) -> None:
    await books.write(lambda tx: tx.rules.pause(guild_id=1, by="an admin"))
    assert await books.write(lambda tx: tx.rules.paused_by(1)) == "an admin"
    assert await books.write(lambda tx: tx.rules.paused_by(2)) is None
    assert await books.write(lambda tx: tx.rules.paused_by(None)) is None
    await books.write(lambda tx: tx.rules.pause(guild_id=None, by="the operator"))
    everywhere = await books.write(lambda tx: {tx.rules.paused_by(guild_id) for guild_id in (1, 2, None)})
    assert everywhere == {"the operator"}
    await books.write(lambda tx: tx.rules.pause(guild_id=None, by=None))
    await books.write(lambda tx: tx.rules.pause(guild_id=1, by=None))
    assert await books.write(lambda tx: tx.rules.paused_by(1)) is None

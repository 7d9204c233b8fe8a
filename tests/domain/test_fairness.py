"""Places are shared by virtual time: a flood delays itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.fairness import BEHIND_MS_MAX, PARTIES_MAX, FairQueue, Waiting


def job(job_id: int, guild_id: int | None = 1, member_id: str = "7", seconds: float = 60.0) -> Waiting:
    return Waiting(job_id=job_id, guild_id=guild_id, member_id=member_id, seconds=seconds)


def jobs_of(guild_id: int | None, ids: Iterable[int], *, member_id: str = "7", seconds: float = 60.0) -> list[Waiting]:
    return [job(job_id, guild_id, member_id, seconds) for job_id in ids]


def served(queue: FairQueue, waiting: Sequence[Waiting], places: int) -> tuple[FairQueue, list[Waiting]]:
    """So many jobs started one after another."""
    left, started = list(waiting), []
    for _ in range(places):
        chosen = queue.first(left)
        if chosen is None:
            break
        left.remove(chosen)
        queue = queue.started(chosen)
        started.append(chosen)
    return queue, started


seconds = st.floats(1, 300)
waitings = st.lists(
    st.tuples(st.none() | st.integers(1, 5), st.sampled_from("abc"), seconds), min_size=1, max_size=40
).map(lambda rows: [job(at, *row) for at, row in enumerate(rows)])


# -- who goes first


def test_nobody_waits_nobody_starts() -> None:
    assert FairQueue().first([]) is None
    assert FairQueue().order([]) == []


def test_among_equals_the_older_job_starts() -> None:
    first = FairQueue().first([job(3, 1), job(2, 2), job(4, 3)])
    assert first is not None
    assert first.job_id == 2


def test_guilds_take_turns_however_many_jobs_one_of_them_has() -> None:
    waiting = [*jobs_of(1, range(100)), *jobs_of(2, [200, 201]), *jobs_of(3, [300])]
    assert FairQueue().order(waiting)[:6] == [0, 200, 300, 1, 201, 2]


def test_a_rest_earns_no_places_in_advance() -> None:
    queue = FairQueue().started(job(1, 1))
    queue, _ = served(queue, jobs_of(2, range(10, 30)), 20)
    assert queue.order([*jobs_of(1, range(200, 204)), *jobs_of(2, range(100, 104))])[:5] == [200, 100, 201, 101, 202]


def test_turns_are_by_seconds_not_by_jobs() -> None:
    waiting = [*jobs_of(1, range(10), seconds=30), *jobs_of(2, range(20, 30), seconds=90)]
    _, started = served(FairQueue(), waiting, 8)
    assert Counter(one.guild_id for one in started) == {1: 6, 2: 2}


def test_members_of_a_guild_take_turns_too() -> None:
    waiting = [*jobs_of(1, range(50), member_id="a"), *jobs_of(1, [60, 61], member_id="b")]
    assert FairQueue().order(waiting)[:5] == [0, 60, 1, 61, 2]


def test_a_member_who_floods_delays_nobody_of_the_own_guild_while_other_guilds_wait() -> None:
    floods = [*jobs_of(1, range(50), member_id="a"), *jobs_of(2, range(100, 150), member_id="c")]
    queue, _ = served(FairQueue(), floods, 20)
    light = job(900, 1, "b")
    _, started = served(queue, [*floods[10:50], light, *floods[60:]], 2)
    assert light in started


def test_jobs_outside_any_server_are_one_party() -> None:
    waiting = [*jobs_of(None, range(10)), *jobs_of(1, [20])]
    assert FairQueue().order(waiting)[:2] == [0, 20]


@given(waitings)
def test_the_order_shown_is_the_order_in_which_they_start(waiting: list[Waiting]) -> None:
    _, started = served(FairQueue(), waiting, len(waiting))
    assert FairQueue().order(waiting) == FairQueue().order(waiting[::-1]) == [one.job_id for one in started]


# -- what a flood can do


@given(
    flood=st.lists(seconds, min_size=1, max_size=40),
    light=st.lists(seconds, min_size=1, max_size=8),
    before=st.integers(0, 39),
)
def test_a_guild_that_comes_back_waits_for_no_second_job_of_the_flood(
    flood: list[float], light: list[float], before: int
) -> None:
    """Its first job starts next; before each later one the flood got one job more than the guild itself, at most."""
    flooding = [job(at, 1, seconds=length) for at, length in enumerate(flood)]
    queue, gone = served(FairQueue(), flooding, before)
    own = [job(1_000 + at, 2, seconds=length) for at, length in enumerate(light)]
    _, started = served(queue, [*(one for one in flooding if one not in gone), *own], len(flood) + len(light))
    given_seconds = {1: 0.0, 2: 0.0}
    if gone:
        assert started[0] == own[0]
    for one in started:
        if one.guild_id == 2:
            assert given_seconds[1] <= given_seconds[2] + max(flood) + 0.1
        given_seconds[one.guild_id or 0] += one.seconds


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), seconds), min_size=8, max_size=60))
def test_whoever_waits_gets_as_much_as_others_within_one_job_each(
    rows: list[tuple[int, str, float]],
) -> None:
    waiting = [job(at, *row) for at, row in enumerate(rows)]
    most = max(one.seconds for one in waiting)
    queue, left = FairQueue(), list(waiting)
    got: dict[int | None, float] = dict.fromkeys((one.guild_id for one in waiting), 0.0)
    while len({one.guild_id for one in left}) == len(got):
        chosen = queue.first(left)
        assert chosen is not None
        left.remove(chosen)
        queue = queue.started(chosen)
        got[chosen.guild_id] += chosen.seconds
    assert max(got.values()) - min(got.values()) <= 2 * most + 0.1


@given(st.lists(st.integers(2, 6), min_size=1, max_size=60), st.integers(0, 59))
def test_nobody_starves_while_others_keep_coming(comers: list[int], arrives: int) -> None:
    """A job that waits starts after at most two jobs of each other guild, however many come after it."""
    ids, queue, started_since = count(1), FairQueue(), Counter[int | None]()
    waiting: list[Waiting] = []
    patient: Waiting | None = None
    for step, guild_id in enumerate([*comers, *comers]):
        waiting += [job(next(ids), guild_id), job(next(ids), guild_id)]
        if step == arrives % len(comers):
            patient = job(next(ids), 1)
            waiting.append(patient)
        chosen = queue.first(waiting)
        assert chosen is not None
        waiting.remove(chosen)
        queue = queue.started(chosen)
        if patient is not None and patient in waiting:
            started_since[chosen.guild_id] += 1
            assert max(started_since.values()) <= 2


# -- what it really took


def test_a_guild_whose_jobs_take_longer_than_expected_is_charged_for_it() -> None:
    """Guild 1 says 10 s and takes 100: it gets no more places than guild 2, which says and takes 100."""
    queue, ids, got = FairQueue(), count(1), Counter[int | None]()
    for _ in range(40):
        waiting = [job(next(ids), 1, seconds=10), job(next(ids), 2, seconds=100)]
        chosen = queue.first(waiting)
        assert chosen is not None
        got[chosen.guild_id] += 1
        queue = queue.started(chosen).corrected(
            guild_id=chosen.guild_id, member_id="7", expected_seconds=chosen.seconds, actual_seconds=100
        )
    assert abs(got[1] - got[2]) <= 1


def test_a_job_that_never_ran_costs_its_guild_nothing() -> None:
    queue = FairQueue().started(job(1, 1))
    queue = queue.corrected(guild_id=1, member_id="7", expected_seconds=60, actual_seconds=0)
    assert queue.order([job(2, 1), job(3, 2)]) == [2, 3]


def test_a_correction_counts_although_its_guild_has_fallen_behind_since() -> None:
    queue = FairQueue().started(job(1, 1, seconds=10))
    queue, _ = served(queue, jobs_of(2, range(10, 14)), 4)
    queue = queue.corrected(guild_id=1, member_id="7", expected_seconds=10, actual_seconds=400)
    assert queue.order([job(20, 1), *jobs_of(2, range(30, 34))])[:3] == [30, 31, 32]


def test_a_correction_for_somebody_long_forgotten_leaves_them_level() -> None:
    late = FairQueue().corrected(guild_id=1, member_id="7", expected_seconds=60, actual_seconds=90)
    assert late.order([job(1, 1), job(2, 2)]) == [1, 2]
    early = FairQueue().corrected(guild_id=1, member_id="7", expected_seconds=60, actual_seconds=6)
    assert early == FairQueue()


# -- the row in the books


@given(waitings, st.integers(0, 40), st.floats(0, 500))
def test_a_restart_changes_nothing(waiting: list[Waiting], places: int, actual: float) -> None:
    queue, started = served(FairQueue(), waiting, places)
    for one in started[::2]:
        queue = queue.corrected(
            guild_id=one.guild_id, member_id=one.member_id, expected_seconds=one.seconds, actual_seconds=actual
        )
    again = FairQueue.from_json(queue.to_json())
    assert again == queue
    assert again.order(waiting) == queue.order(waiting)


@given(waitings)
def test_asking_changes_nothing_so_a_transaction_may_run_twice(waiting: list[Waiting]) -> None:
    queue, _ = served(FairQueue(), waiting, 5)
    before = queue.to_json()
    chosen = queue.first(waiting)
    assert chosen is not None
    assert queue.started(chosen) == queue.started(chosen)
    queue.order(waiting)
    assert queue.to_json() == before


def test_guilds_far_behind_are_forgotten_with_their_members() -> None:
    queue = FairQueue().started(job(1, 1)).started(job(2, 2))
    others = int(2 * BEHIND_MS_MAX / 1000 / 60)
    queue, _ = served(queue, jobs_of(3, range(10, 10 + others)), others)
    assert set(queue.guilds.leads_ms) == {"3"} == set(queue.members)


def test_a_thousand_guilds_leave_a_small_row_of_those_furthest_ahead() -> None:
    queue = FairQueue().started(job(1, 1, seconds=900))
    for guild_id in range(1_000, 2_000):
        queue = queue.started(job(guild_id, guild_id, seconds=60 + guild_id % 7))
    assert len(queue.guilds.leads_ms) == len(queue.members) == PARTIES_MAX
    assert "1" in queue.guilds.leads_ms
    assert len(queue.to_json()) < 20_000

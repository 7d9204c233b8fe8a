"""Jobs, their attempts and their history."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from pydantic import TypeAdapter

from bot.domain.fairness import Waiting
from bot.domain.jobs import HOLDING, Fitting, Job, JobState, Offer, Target, TargetKind, Work
from bot.domain.requests import Plan, Request, Tier
from bot.ports.books import Attempt, Outcome, StaleJobError

_TARGET: TypeAdapter[Target] = TypeAdapter(Target)
_REQUEST = TypeAdapter(Request)
_PLAN = TypeAdapter(Plan)
_OFFERS: TypeAdapter[tuple[Offer, ...]] = TypeAdapter(tuple[Offer, ...])
_ROLE_IDS: TypeAdapter[tuple[int, ...]] = TypeAdapter(tuple[int, ...])

_ADD = """
INSERT INTO job (
    id, guild_id, member_id, role_ids, work, parent_id, target_kind, target, request, state, is_open, created_ms,
    due_ms, since_ms, fence, tries, attempts, plan, provider, quote_micros, cost_micros, account, task_id,
    submitted_ms, result, progress, cancel_asked, thread_id, clip_path, clip_bytes, has_agreed, last_frame,
    upload_path, upload_bytes, fitting, channel_id, message_id, error_code, error_text, frame_link, seen_ms,
    usual_seconds, ready_from_ms, ready_until_ms, is_late, offers
) VALUES (
    :id, :guild_id, :member_id, :role_ids, :work, :parent_id, :target_kind, :target, :request, :state, :is_open,
    :created_ms, :due_ms, :since_ms, :fence, :tries, :attempts, :plan, :provider, :quote_micros, :cost_micros,
    :account, :task_id, :submitted_ms, :result, :progress, :cancel_asked, :thread_id, :clip_path, :clip_bytes,
    :has_agreed, :last_frame, :upload_path, :upload_bytes, :fitting, :channel_id, :message_id, :error_code,
    :error_text, :frame_link, :seen_ms, :usual_seconds, :ready_from_ms,
    :ready_until_ms, :is_late, :offers
) ON CONFLICT (id) DO NOTHING
"""
# A wish to cancel that came during the step must not wait for the appointment that the step makes.
_SAVE = """
UPDATE job SET
    guild_id = :guild_id, member_id = :member_id, role_ids = :role_ids, target_kind = :target_kind, target = :target,
    request = :request, state = :state, is_open = :is_open, created_ms = :created_ms,
    due_ms = CASE WHEN cancel_asked > :cancel_asked THEN MIN(:due_ms, :since_ms) ELSE :due_ms END,
    since_ms = :since_ms, fence = fence + 1, tries = :tries, attempts = :attempts, plan = :plan, provider = :provider,
    quote_micros = :quote_micros, cost_micros = :cost_micros, account = :account, task_id = :task_id,
    submitted_ms = :submitted_ms, result = :result, progress = :progress, clip_path = :clip_path,
    clip_bytes = :clip_bytes, has_agreed = :has_agreed, last_frame = :last_frame, upload_path = :upload_path,
    upload_bytes = :upload_bytes, fitting = :fitting, channel_id = :channel_id, message_id = :message_id,
    error_code = :error_code, error_text = :error_text, frame_link = :frame_link, seen_ms = :seen_ms,
    usual_seconds = :usual_seconds, ready_from_ms = :ready_from_ms,
    ready_until_ms = :ready_until_ms, offers = :offers
WHERE id = :id AND fence = :fence
RETURNING fence, due_ms, cancel_asked, thread_id
"""
_SEEN = """
UPDATE job SET
    due_ms = CASE WHEN cancel_asked > :cancel_asked THEN MIN(:due_ms, since_ms) ELSE :due_ms END, fence = fence + 1,
    tries = :tries, progress = :progress, seen_ms = :seen_ms, ready_from_ms = :ready_from_ms,
    ready_until_ms = :ready_until_ms
WHERE id = :id AND fence = :fence
"""
_DUE = """
SELECT * FROM job
WHERE is_open = 1 AND due_ms <= ? AND state IN (SELECT value FROM json_each(?))
    AND target_kind IN (SELECT value FROM json_each(?)) AND id NOT IN (SELECT value FROM json_each(?))
ORDER BY due_ms, id LIMIT ?
"""
_STATES_DUE = """
SELECT DISTINCT state FROM job
WHERE is_open = 1 AND due_ms <= ? AND target_kind IN (SELECT value FROM json_each(?))
    AND id NOT IN (SELECT value FROM json_each(?))
"""
# The root first; a cycle cannot come about, for a parent is older than its child.
PATH_TO = """
WITH RECURSIVE path (id) AS (
    SELECT ?1
    UNION
    SELECT job.parent_id FROM path JOIN job ON job.id = path.id WHERE job.parent_id IS NOT NULL
)
SELECT job.* FROM path JOIN job ON job.id = path.id ORDER BY job.id
"""
# What nobody has looked at yet counts as a minute.
WAITING = """
SELECT id, guild_id, member_id, COALESCE(usual_seconds, 60) AS usual_seconds FROM job
WHERE state = 'QUEUED' AND provider = ?1 AND target_kind IN (SELECT value FROM json_each(?2))
ORDER BY id
"""
_NEXT_DUE = """
SELECT due_ms FROM job
WHERE is_open = 1 AND target_kind IN (SELECT value FROM json_each(?)) AND id NOT IN (SELECT value FROM json_each(?))
ORDER BY due_ms LIMIT 1
"""

# Two at the same millisecond are told apart by their jobs.
_CALLS_UNTIL = """
SELECT COUNT(*) FROM attempt JOIN job ON job.id = attempt.job_id
WHERE attempt.account = :account AND attempt.intent_ms BETWEEN :since_ms AND :until_ms
    AND attempt.outcome NOT IN ('rejected', 'not_sent') AND json_extract(job.plan, '$.tier') = :tier
    AND (attempt.intent_ms < :until_ms OR attempt.job_id <= :job_id)
"""


class UnbalancedJobError(AssertionError):
    """A job's state and its holds contradict each other: our own bug, and the transaction must not stand."""


class SqliteJobs:
    """The statements on jobs, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, job: Job) -> Job:
        added = self._connection.execute(_ADD, _values(job)).rowcount
        if added:
            self._note(job, before=None)
            return job
        return self._known(job.id)

    def get(self, job_id: int) -> Job | None:
        row = self._connection.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else job_of(row)

    def save(self, job: Job) -> Job:
        before = self._connection.execute("SELECT state FROM job WHERE id = ?", (job.id,)).fetchone()
        # Fetched whole: an unfinished RETURNING would keep the statement, and so the transaction, open.
        saved = self._connection.execute(_SAVE, _values(job)).fetchall()
        if not saved:
            raise StaleJobError(f"job {job.id} is not as it was at save {job.fence}")
        self._check_holds(job)
        if before["state"] != job.state:
            self._note(job, before=before["state"])
        fence, due_ms, cancel_asked, thread_id = saved[0]
        return replace(job, fence=fence, due_ms=due_ms, cancel_asked=bool(cancel_asked), thread_id=thread_id)

    def see(self, job: Job) -> None:
        values = {name: getattr(job, name) for name in _SEEN_FIELDS}
        if not self._connection.execute(_SEEN, values | {"cancel_asked": int(job.cancel_asked)}).rowcount:
            raise StaleJobError(f"job {job.id} is not as it was at save {job.fence}")

    def place(self, job_id: int, *, thread_id: int) -> None:
        self._connection.execute("UPDATE job SET thread_id = ? WHERE id = ?", (thread_id, job_id))

    def ask_cancel(self, job_id: int) -> None:
        self._connection.execute(
            "UPDATE job SET cancel_asked = 1, due_ms = MIN(due_ms, since_ms) WHERE id = ? AND is_open = 1", (job_id,)
        )

    def hurry(self, task_ids: frozenset[str], *, due_ms: int) -> None:
        self._connection.execute(
            "UPDATE job SET due_ms = MIN(due_ms, ?) WHERE is_open = 1 AND state = 'RUNNING' "
            "AND task_id IN (SELECT value FROM json_each(?))",
            (due_ms, json.dumps(sorted(task_ids))),
        )

    def hurry_job(self, job_id: int, *, due_ms: int) -> None:
        self._connection.execute(
            "UPDATE job SET due_ms = MIN(due_ms, ?) WHERE id = ? AND is_open = 1 AND state = 'RUNNING'",
            (due_ms, job_id),
        )

    def due(
        self,
        *,
        states: frozenset[JobState],
        targets: frozenset[TargetKind],
        now_ms: int,
        limit: int,
        leaving_out: frozenset[int] = frozenset(),
    ) -> list[Job]:
        rows = self._connection.execute(_DUE, (now_ms, _listed(states), _listed(targets), _listed(leaving_out), limit))
        return [job_of(row) for row in rows]

    def states_due(
        self, *, targets: frozenset[TargetKind], now_ms: int, leaving_out: frozenset[int]
    ) -> frozenset[JobState]:
        rows = self._connection.execute(_STATES_DUE, (now_ms, _listed(targets), _listed(leaving_out)))
        return frozenset(JobState(row[0]) for row in rows)

    def next_due_ms(self, *, targets: frozenset[TargetKind], leaving_out: frozenset[int]) -> int | None:
        row = self._connection.execute(_NEXT_DUE, (_listed(targets), _listed(leaving_out))).fetchone()
        return None if row is None else int(row[0])

    def count(self, *, account: str, states: frozenset[JobState]) -> int:
        row = self._connection.execute(
            "SELECT COUNT(*) FROM job WHERE account = ? AND is_late = 0 AND state IN (SELECT value FROM json_each(?))",
            (account, _listed(states)),
        ).fetchone()
        return int(row[0])

    def calls_until(self, attempt: Attempt, *, tier: Tier, since_ms: int) -> int:
        values = {
            "account": attempt.account,
            "job_id": attempt.job_id,
            "until_ms": attempt.intent_ms,
            "since_ms": since_ms,
            "tier": tier.value,
        }
        return int(self._connection.execute(_CALLS_UNTIL, values).fetchone()[0])

    def last_intent_ms(self, *, account: str) -> int | None:
        row = self._connection.execute("SELECT MAX(intent_ms) FROM attempt WHERE account = ?", (account,)).fetchone()
        return None if row[0] is None else int(row[0])

    def open_of(self, *, guild_id: int | None, member_id: str, work: Work) -> list[int]:
        rows = self._connection.execute(
            "SELECT id FROM job WHERE member_id = ? AND guild_id IS ? AND is_open = 1 AND work = ?",
            (member_id, guild_id, work.value),
        )
        return [int(row[0]) for row in rows]

    def path_to(self, job_id: int) -> list[Job]:
        return [job_of(row) for row in self._connection.execute(PATH_TO, (job_id,))]

    def waiting(self, provider: str, *, targets: frozenset[TargetKind]) -> list[Waiting]:
        rows = self._connection.execute(WAITING, (provider, _listed(targets)))
        return [waiting_of(row) for row in rows]

    def queued_since_ms(self, job_id: int) -> int:
        row = self._connection.execute(
            "SELECT MIN(at_ms) FROM event WHERE job_id = ? AND to_state = 'QUEUED'", (job_id,)
        ).fetchone()
        return int(row[0])

    def bring_forward(self, job_id: int, *, due_ms: int) -> None:
        self._connection.execute(
            "UPDATE job SET due_ms = MIN(due_ms, ?) WHERE id = ? AND state = 'QUEUED'", (due_ms, job_id)
        )

    def running_at(self, account: str) -> list[Job]:
        rows = self._connection.execute(
            "SELECT * FROM job WHERE account = ? AND state = 'RUNNING' ORDER BY id", (account,)
        )
        return [job_of(row) for row in rows]

    def open_bytes(self, *, guild_id: int | None, member_id: str | None) -> int:
        row = self._connection.execute(
            "SELECT COALESCE(SUM(json_extract(one.value, '$.declared_bytes')), 0) "
            "FROM job, json_each(job.request, '$.references') AS one "
            "WHERE job.is_open = 1 AND job.work = 'clip' "
            "AND (:member IS NULL OR (job.member_id = :member AND job.guild_id IS :guild))",
            {"member": member_id, "guild": guild_id},
        ).fetchone()
        return int(row[0])

    def write_attempt(self, attempt: Attempt) -> None:
        self._connection.execute(
            "INSERT INTO attempt (job_id, number, provider, account, intent_ms, outcome, task_id, exposure_micros) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id, number) DO UPDATE SET "
            "outcome = excluded.outcome, task_id = excluded.task_id, exposure_micros = excluded.exposure_micros",
            (
                attempt.job_id,
                attempt.number,
                attempt.provider,
                attempt.account,
                attempt.intent_ms,
                attempt.outcome.value,
                attempt.task_id,
                attempt.exposure_micros,
            ),
        )

    def attempts(self, job_id: int) -> list[Attempt]:
        rows = self._connection.execute("SELECT * FROM attempt WHERE job_id = ? ORDER BY number", (job_id,))
        return [Attempt(**{**dict(row), "outcome": Outcome(row["outcome"])}) for row in rows]

    def _known(self, job_id: int) -> Job:
        job = self.get(job_id)
        if job is None:
            raise LookupError(f"job {job_id} vanished within its transaction")
        return job

    def _check_holds(self, job: Job) -> None:
        """A job holds money exactly in the states between hold and end; said here, because every move comes by."""
        held = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM reservation WHERE job_id = ? AND state = 'held')", (job.id,)
        ).fetchone()[0]
        if bool(held) != (job.books_money and job.state in HOLDING):
            raise UnbalancedJobError(f"job {job.id} is {job.state} and {'holds' if held else 'holds no'} money")

    def _note(self, job: Job, *, before: str | None) -> None:
        self._connection.execute(
            "INSERT INTO event (job_id, from_state, to_state, at_ms, error_code) VALUES (?, ?, ?, ?, ?)",
            (job.id, before, job.state.value, job.since_ms, job.error_code),
        )


def waiting_of(row: sqlite3.Row) -> Waiting:
    return Waiting(
        job_id=row["id"], guild_id=row["guild_id"], member_id=row["member_id"], seconds=float(row["usual_seconds"])
    )


def job_of(row: sqlite3.Row) -> Job:
    plan = row["plan"]
    fields = {name: row[name] for name in _PLAIN}
    return Job(
        **fields,
        role_ids=_ROLE_IDS.validate_json(row["role_ids"]),
        target=_TARGET.validate_json(row["target"]),
        request=_REQUEST.validate_json(row["request"]),
        work=Work(row["work"]),
        state=JobState(row["state"]),
        has_agreed=bool(row["has_agreed"]),
        fitting=None if row["fitting"] is None else Fitting(row["fitting"]),
        plan=None if plan is None else _PLAN.validate_json(plan),
        cancel_asked=bool(row["cancel_asked"]),
        is_late=bool(row["is_late"]),
        offers=_OFFERS.validate_json(row["offers"]),
    )


_SEEN_FIELDS = ("id", "fence", "due_ms", "tries", "progress", "seen_ms", "ready_from_ms", "ready_until_ms")
_PLAIN = (
    "id",
    "guild_id",
    "member_id",
    "created_ms",
    "due_ms",
    "since_ms",
    "fence",
    "tries",
    "attempts",
    "quote_micros",
    "cost_micros",
    "account",
    "task_id",
    "submitted_ms",
    "result",
    "progress",
    "thread_id",
    "clip_path",
    "clip_bytes",
    "parent_id",
    "last_frame",
    "upload_path",
    "upload_bytes",
    "channel_id",
    "message_id",
    "error_code",
    "error_text",
    "frame_link",
    "seen_ms",
    "usual_seconds",
    "ready_from_ms",
    "ready_until_ms",
)
"""Fields that are a column as they are."""


def _values(job: Job) -> dict[str, object]:
    plain = {name: getattr(job, name) for name in _PLAIN}
    return plain | {
        "role_ids": _ROLE_IDS.dump_json(job.role_ids).decode(),
        "target_kind": job.target.kind.value,
        "target": _TARGET.dump_json(job.target).decode(),
        "request": _REQUEST.dump_json(job.request).decode(),
        "work": job.work.value,
        "has_agreed": int(job.has_agreed),
        "fitting": job.fitting,
        "state": job.state.value,
        "is_open": int(job.is_open),
        "plan": None if job.plan is None else _PLAN.dump_json(job.plan).decode(),
        "provider": None if job.plan is None else job.plan.provider,
        "cancel_asked": int(job.cancel_asked),
        "is_late": int(job.is_late),
        "offers": _OFFERS.dump_json(job.offers).decode(),
    }


def _listed(values: Iterable[object]) -> str:
    """A set as one parameter, for `json_each`."""
    return json.dumps(sorted(values, key=str))

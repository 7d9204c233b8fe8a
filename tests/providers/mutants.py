"""Adapters that are wrong, made of right ones: the contract must notice each."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bot.domain.slots import Kind
from bot.ports.outside import Failed, Pending, TaskStatus
from bot.providers.account import Dialect
from bot.providers.reading import Elsewhere, Refusal
from tests.providers.house import Subject

Mutation = Callable[[Dialect], Dialect]


def _payload(change: Callable[[Any], Any]) -> Mutation:
    """The same dialect with every payload changed."""

    def mutated(dialect: Dialect) -> Dialect:
        return replace(dialect, to_payload=lambda plan, links: change(dialect.to_payload(plan, links)))

    return mutated


def _walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with `change` made to everything inside it, the inner first."""
    if isinstance(value, dict):
        value = {key: _walked(one, change) for key, one in value.items()}
    elif isinstance(value, list):
        value = [_walked(one, change) for one in value]
    return change(value)


def _renamed_prompt(payload: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(payload).replace('"prompt":', '"text_prompt":').replace('"content":', '"contents":'))  # type: ignore[no-any-return] # an object stays one


def _other_token(dialect: Dialect) -> Dialect:
    """Mentions that stay as members type them, or, where that is right, in plain words."""
    row = dialect.capabilities
    other = "{kind}-{number}" if row.mention_template == "@{kind}{number}" else "@{kind}{number}"
    return _with_token(dialect, row.mention_template or "{kind} {number}", other)


def _with_token(dialect: Dialect, template: str, other: str) -> Dialect:
    names = {
        template.format(kind=k.value, number=n): other.format(kind=k.value, number=n) for k in Kind for n in (1, 2)
    }

    def change(value: Any) -> Any:
        for name, wrong in names.items():
            value = value.replace(name, wrong) if isinstance(value, str) else value
        return value

    return _payload(lambda payload: _walked(payload, change))(dialect)


def _turned(value: Any) -> Any:
    return value[::-1] if isinstance(value, list) else value


def _one_more(value: Any) -> Any:
    return value + 1 if isinstance(value, int) and not isinstance(value, bool) else value


MUTANTS: dict[str, Mutation] = {
    "wrong field": _payload(_renamed_prompt),
    "one field too many": _payload(lambda payload: payload | {"dry_run": True}),
    "wrong number": _payload(lambda payload: _walked(payload, _one_more)),
    "numbers as text": _payload(
        lambda payload: _walked(payload, lambda one: str(one) if type(one) is int else one),
    ),
    "wrong token": _other_token,
    "wrong order": _payload(lambda payload: _walked(payload, _turned)),
    "wrong path of submits": lambda dialect: replace(dialect, submit_path=lambda plan: f"{dialect.submit_path(plan)}s"),
    "wrong path of reads": lambda dialect: replace(dialect, read_path=lambda one: f"/x{dialect.read_path(one)}"),
    "wrong place of the callback": lambda dialect: replace(
        dialect, with_callback=lambda path, payload, address: (path, payload | {"callback": address})
    ),
    "wrong header": lambda dialect: replace(dialect, headers=lambda key: {"X-Auth": key}),
    "key without its scheme": lambda dialect: replace(
        dialect, headers=lambda key: dict.fromkeys(dialect.headers(key), f"Token {key}")
    ),
    "id from elsewhere": lambda dialect: replace(dialect, read_task_id=lambda body: hashlib.sha256(body).hexdigest()),
    "no error is read": lambda dialect: replace(dialect, read_refusal=lambda _: Refusal()),
    "running counts as failed": lambda dialect: replace(dialect, read_status=_impatient(dialect)),
    "failed counts as running": lambda dialect: replace(dialect, read_status=_patient(dialect)),
    "no status word": lambda dialect: replace(dialect, read_word=lambda _: "running"),
}
"""Each must be caught by at least one of CHECKS."""


def mutated(subject: Subject, name: str) -> Subject:
    return replace(subject, dialect=MUTANTS[name](subject.dialect))


def _impatient(dialect: Dialect) -> Callable[[bytes], TaskStatus | Elsewhere]:
    def read(body: bytes) -> TaskStatus | Elsewhere:
        status = dialect.read_status(body)
        return Failed(reason="not done") if isinstance(status, Pending) else status

    return read


def _patient(dialect: Dialect) -> Callable[[bytes], TaskStatus | Elsewhere]:
    def read(body: bytes) -> TaskStatus | Elsewhere:
        status = dialect.read_status(body)
        return Pending() if isinstance(status, Failed) else status

    return read

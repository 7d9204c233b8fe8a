"""The operator's `providers.toml` over the providers' rows; whatever is wrong in it is told with its line."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.domain.capabilities import Capabilities, TierRow
from bot.domain.errors import SettingsError
from bot.domain.requests import Aspect, Tier
from bot.domain.slots import Kind
from bot.wiring.override_fields import EVERY, OwnPrice, OwnReferences, OwnRow, OwnTier, Table, nearest
from bot.wiring.toml_file import TomlFile, read_toml

OURS = "animatic"
"""It renders on this machine, free: nothing about it is anybody's to set."""
_PLAIN = (
    "durations",
    "prompt_chars_max",
    "negative_prompt_chars_max",
    "max_concurrent",
    "requests_per_second",
    "typical_seconds",
    "deadline_seconds",
)
"""Fields that are the row's own as they are."""

Keys = tuple[str, ...]
Fault = tuple[Keys, str]


def overridden(rows: Mapping[str, Capabilities], path: Path) -> dict[str, Capabilities]:
    """The rows with what the file says, where there is one. Raises SettingsError with a line for each fault."""
    file = read_toml(path)
    if file is None:
        return dict(rows)
    changed_on = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    made, faults = dict(rows), list[Fault]()
    for name, given in file.tables.items():
        try:
            made[name] = _overridden(name, given, rows, changed_on)
        except _WrongRowError as wrong:
            faults += wrong.faults
    if faults:
        raise SettingsError(faults=_told(file, faults))
    return made


class _WrongRowError(Exception):
    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def _told(file: TomlFile, faults: Sequence[Fault]) -> str:
    """In the order of the file, each once."""
    lines = sorted({(file.line_of(keys), f"{'.'.join(map(_key, keys))}: {words}") for keys, words in faults})
    return "\n".join(f"{file.name}: line {line}: {said}" for line, said in lines)


def _overridden(name: str, given: object, rows: Mapping[str, Capabilities], changed_on: date) -> Capabilities:
    known = [one for one in rows if one != OURS]
    if name == OURS:
        raise _WrongRowError([((name,), "renders on this machine; nothing of it can be set")])
    if name not in known:
        raise _WrongRowError([((name,), f"no such provider; {nearest(name, known)}")])
    try:
        own = OwnRow.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        raise _WrongRowError([((name, *_keys(one["loc"])), _words(one)) for one in wrong]) from None
    _raise_any(name, [*_misfits(own, rows[name]), *_unsayable(own, rows[name])])
    row = _applied(own, rows[name], changed_on)
    _raise_any(name, _unpriced(row, own))
    return row


def _raise_any(name: str, faults: Iterable[Fault]) -> None:
    found = [((name, *keys), words) for keys, words in faults]
    if found:
        raise _WrongRowError(found)


# -- what fits


def _misfits(own: OwnRow, row: Capabilities) -> Iterator[Fault]:
    """What this provider's dialect cannot say, and what would leave nothing."""
    for option, is_on in own.options.items():
        if is_on and option not in row.options:
            yield ("options", option.value), f"cannot be switched on: {row.title} has no field for it"
    for shape in own.paths.keys() - row.paths.keys():
        yield ("paths", shape), f"no such path; {nearest(shape, row.paths) if row.paths else 'there is but one'}"
    if Aspect.AUTO in (own.aspects or ()) and Aspect.AUTO not in row.aspects:
        yield ("aspects",), f"auto is nothing that {row.title} has a word for"
    for tier in own.tiers.keys() & set(own.without_tiers):
        yield ("tiers", tier.value), "is in without_tiers too"
    for tier in set(own.without_tiers) - row.tiers.keys():
        yield ("without_tiers",), f"{tier} is no tier of {row.title}"
    if not (set(row.tiers) | set(own.tiers)) - set(own.without_tiers):
        yield ("without_tiers",), "leaves no tier"


def _unsayable(own: OwnRow, row: Capabilities) -> Iterator[Fault]:
    """Kinds, sizes and models that its dialect has no words for."""
    for kind in Kind:
        given = getattr(own.references, kind.word) if own.references else None
        if given and not row.references_max[kind]:
            yield ("references", kind.word), f"must be 0: {row.title} takes no {kind.word} references"
    for tier, one in own.tiers.items():
        for resolution in set(one.resolutions or ()) - _resolutions(row, tier):
            yield ("tiers", tier.value, "resolutions"), f"{resolution} is no size that {row.title} makes in {tier}"
        model, app = one.model or "", MODEL_IN_ADDRESS.get(row.provider)
        if one.model is not None and app is not None and not (model.startswith(app) and _PATH.fullmatch(model)):
            yield ("tiers", tier.value, "model"), f"must begin with {app}: the address of a task is made of it"


def _resolutions(row: Capabilities, tier: Tier) -> set[str]:
    """Those that a tier has, or for a new one any."""
    known = [row.tiers[tier]] if tier in row.tiers else list(row.tiers.values())
    return {resolution for one in known for resolution in one.resolutions}


def _unpriced(row: Capabilities, own: OwnRow) -> Iterator[Fault]:
    """The first size of each tier that the price has no answer for."""
    for tier, one in row.tiers.items():
        sizes = ((resolution, seconds) for resolution in one.resolutions for seconds in row.durations)
        gap = next((size for size in sizes if not one.price.covers(*size)), None)
        if gap is not None:
            yield _nearest_table(tier, own), f"there is no price for {gap[1]} s at {gap[0]} in {tier}"


def _nearest_table(tier: Tier, own: OwnRow) -> Keys:
    """Where the file speaks of this tier, if it does."""
    if tier not in own.tiers:
        return ("durations",)
    return ("tiers", tier.value) if own.tiers[tier].price is None else ("tiers", tier.value, "price")


# -- applying


def _applied(own: OwnRow, row: Capabilities, changed_on: date) -> Capabilities:
    changes: dict[str, Any] = {name: getattr(own, name) for name in _PLAIN if getattr(own, name) is not None}
    if own.aspects is not None:
        changes["aspects"] = tuple(dict.fromkeys(own.aspects))
    if own.references is not None:
        changes |= _references(own.references, row)
    free = {tier: one.free_per_month for tier, one in own.tiers.items() if one.free_per_month is not None}
    return replace(
        row,
        **changes,
        source=f"{row.source} Overridden by this server's operator.",
        options=frozenset(option for option in row.options if own.options.get(option, True)),
        tiers=_tiers(own, row, changed_on),
        free_per_month={**row.free_per_month, **free},
        paths={**row.paths, **own.paths},
    )


def _references(own: OwnReferences, row: Capabilities) -> dict[str, Any]:
    given = {kind: getattr(own, kind.word) for kind in Kind if getattr(own, kind.word) is not None}
    total = row.references_total_max if own.total is None else own.total
    return {"references_max": {**row.references_max, **given}, "references_total_max": total}


def _tiers(own: OwnRow, row: Capabilities, changed_on: date) -> dict[Tier, TierRow]:
    made = {tier: one for tier, one in row.tiers.items() if tier not in own.without_tiers}
    for tier, one in own.tiers.items():
        before = made.get(tier)
        changed = _changed(one, before, changed_on) if before else _new(one, changed_on)
        if changed is None:
            keys = (row.provider, "tiers", tier.value)
            raise _WrongRowError([(keys, f"is new at {row.title}: it needs model, resolutions and price")])
        made[tier] = changed
    return {tier: made[tier] for tier in Tier if tier in made}


def _changed(own: OwnTier, before: TierRow, changed_on: date) -> TierRow:
    resolutions = tuple(own.resolutions or before.resolutions)
    price = own.price.rule(resolutions, changed_on) if own.price else before.price
    return TierRow(model=own.model or before.model, resolutions=resolutions, price=price)


def _new(own: OwnTier, changed_on: date) -> TierRow | None:
    if own.model is None or own.resolutions is None or own.price is None:
        return None
    resolutions = tuple(own.resolutions)
    return TierRow(model=own.model, resolutions=resolutions, price=own.price.rule(resolutions, changed_on))


# -- words


def _keys(location: Sequence[int | str]) -> Keys:
    """The keys as they stand in the file: no places in lists, and nothing of the library's own."""
    return tuple(part for part in location if isinstance(part, str) and part not in {EVERY, "[key]"})


def _key(name: str) -> str:
    """A key as it may stand on one line."""
    return f"{name if name.isprintable() else ascii(name):.60}"


def _words(error: Mapping[str, Any]) -> str:  # Any: pydantic's error details
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        *table, name = _keys(error["loc"])
        return f"no such field; {nearest(name, _table_at(table).model_fields)}"
    return _WORDS.get(error["type"], "is not valid").format(**error.get("ctx", {}))


def _table_at(keys: Sequence[str]) -> type[Table]:
    match keys:
        case ["references"]:
            return OwnReferences
        case ["tiers", _]:
            return OwnTier
        case ["tiers", _, "price"]:
            return OwnPrice
        case _:
            return OwnRow


MODEL_IN_ADDRESS = {"fal": "bytedance/seedance-2.0", "replicate": "bytedance/seedance-2.0"}
"""Whose model is a part of addresses, and what it begins with: tasks are read again at the same app."""
_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_WORDS = {
    "int_type": "must be a whole number",
    "float_type": "must be a number such as 0.5",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must be a path such as /videos",
    "date_type": "must be a date such as 2026-11-20, without quotes",
    "list_type": "must be a list in brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "too_short": "must not be empty",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than_equal": "must be at most {le:,}",
}

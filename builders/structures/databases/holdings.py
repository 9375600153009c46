"""What the RCSB says of entries that it has no more, or not yet. JSON in, sentences out."""

from collections.abc import Mapping
from typing import Any

from builders.io.net.answers import shown

_GONE = {"OBS": "superseded", "WDRN": "withdrawn", "TRSF": "moved to another archive"}


def told_removed(answer: Any, id: str) -> tuple[str, list[str]]:
    """What became of an entry that was removed, and those in its place.

    Args:
        answer: the decoded JSON of `https://data.rcsb.org/rest/v1/holdings/removed/{id}`.
        id: the entry.

    Example:
        >>> facts = {"id_codes_replaced_by": ["2HHB", "4HHB"], "remove_date": "1984-07-17T00:00:00.000+00:00"}
        >>> told_removed({"rcsb_repository_holdings_removed": facts}, "1hhb")
        ('1hhb was superseded by 2hhb, 4hhb on 1984-07-17', ['2hhb', '4hhb'])
    """
    facts = _facts(answer, "rcsb_repository_holdings_removed")
    codes = facts.get("id_codes_replaced_by")
    others = [_clean(code).lower() for code in codes if isinstance(code, str)] if isinstance(codes, list) else []
    what = (
        f"superseded by {', '.join(others[:20])}" if others else _GONE.get(str(facts.get("status_code")), "withdrawn")
    )
    if not others and what == "superseded":
        what = "withdrawn, and nothing is in its place"
    date = facts.get("remove_date")
    return f"{id} was {what}" + (f" on {_clean(date)[:10]}" if isinstance(date, str) and date else ""), others


def told_unreleased(answer: Any, id: str) -> str:
    """That an entry is not released yet, and how far it is.

    Args:
        answer: the decoded JSON of `https://data.rcsb.org/rest/v1/holdings/unreleased/{id}`.
        id: the entry.

    Example:
        >>> told_unreleased({"rcsb_repository_holdings_unreleased": {"status_code": "HPUB"}}, "9xyz")
        '9xyz is not released yet (HPUB)'
    """
    status = _facts(answer, "rcsb_repository_holdings_unreleased").get("status_code")
    return f"{id} is not released yet" + (f" ({_clean(status)})" if isinstance(status, str) and status else "")


def _facts(answer: Any, name: str) -> Mapping[str, Any]:
    found = answer.get(name) if isinstance(answer, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _clean(text: str) -> str:
    return shown(text[:60])

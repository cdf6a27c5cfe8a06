"""The result of a study as a plain document; nothing of the machine is in it."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from agents.optimizer.study import Window
from agents.optimizer.study_rows import front_of, row_of, summary
from agents.optimizer.study_walk import told, walked
from agents.session import Session
from market.tape import Tape
from protocol.messages import utc_text

SCHEMA = 1


def result_of(session: Session, tape: Tape, windows: Sequence[Window], name: str) -> dict[str, Any]:
    """Return the document of a study whose windows were all searched."""
    rows = [row_of(session, tape, each) for each in windows]
    options, front = session.settings.optimizer, front_of(windows[-1])
    body = {
        "schema": SCHEMA,
        "symbol": session.meta.symbol,
        "venue": session.meta.venue,
        "recording": session.meta.sha256,
        "first": utc_text(session.first_ns),
        "last": utc_text(session.last_ns),
        "seed": session.settings.seed,
        "maker_fee_bps": session.meta.maker_fee_bps,
        "capital": session.settings.account.capital,
        "window_hours": options.window_hours,
        "horizon_hours": options.horizon_hours,
        "budget": options.budget,
        "initial": session.baseline.model_dump(),
        "rows": rows,
        "verdict": rows[-1],
        "front": front,
        "summary": summary(rows),
        "walk_forward": told(walked(session, tape, windows), session.settings.seed),
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {"study": name, "digest": digest, **body}

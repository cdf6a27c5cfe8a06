"""Makes a recording of an artificial day (`market/synthetic.py`)."""

from exchange.errors import FeedError
from exchange.importers.assembly import counts_of
from exchange.recording import Meta, Recording
from market.synthetic import synthetic_day


def synthetic_recording(
    *,
    seed: int,
    hours: float = 24.0,
    setting: str = "default",
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 4.0,
    informed_share: float | None = None,
) -> Recording:
    """Return a synthetic day; the same arguments give the same bytes.

    Raises:
        FeedError: an argument is out of range; it names allowed and found.
    """
    try:
        events, made = synthetic_day(
            seed=seed,
            hours=hours,
            setting=setting,
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=taker_fee_bps,
            informed_share=informed_share,
        )
    except ValueError as error:
        raise FeedError(f"synthetic day: {error}") from None
    known = {name: made[name] for name in Meta.model_fields if name in made}
    notes = {name: made[name] for name in made if name not in known}
    known["counts"] = counts_of(events)
    return Recording(Meta(**known, notes=notes), events)

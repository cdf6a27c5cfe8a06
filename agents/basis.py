"""What the warm-up tells a session: starting parameters and opening balances.

Parameters that are not configured are suggested from the warm-up alone, in which nothing is quoted:
what comes after it is not looked at.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from pydantic import ValidationError

from agents.settings import Settings
from exchange.advice import suggest
from exchange.errors import RecordingError
from exchange.recording import Meta, scale_of
from market.layout import SCALE_LOT, UNITS
from market.types import I8
from protocol.codec import describe
from protocol.errors import SettingsError
from protocol.messages import QuoteParameters


@dataclass(frozen=True, slots=True)
class Basis:
    """What the warm-up tells a session.

    Attributes:
        baseline: starting parameters.
        quote_units, target_units: opening balances; the target is held at the start.
    """

    baseline: QuoteParameters
    quote_units: int
    target_units: int


def basis_of(settings: Settings, meta: Meta, events: I8, until_ns: int) -> Basis:
    """Return starting parameters and opening balances, as known at the warm-up's end."""
    baseline = starting_parameters(events, meta, settings, until_ns)
    mid = opening_mid(events, meta, settings, until_ns)
    target_units = target_of(meta, scale_of(meta), settings, mid)
    quote_units = round(settings.account.capital * UNITS) - round(target_units * mid)
    if quote_units < 0:
        raise RecordingError(
            f"account.target_base is worth {target_units * mid / UNITS:.2f} {meta.quote}, more "
            f"than account.capital ({settings.account.capital}); lower it"
        )
    return Basis(baseline, quote_units, target_units)


def starting_parameters(
    events: I8, meta: Meta, settings: Settings, until_ns: int
) -> QuoteParameters:
    """Return the configured parameters, what is missing suggested from the warm-up."""
    given = settings.parameters.model_dump()
    if any(value is None for value in given.values()):
        capital = settings.account.capital
        suggested = suggest(events, meta, capital=capital, until_ns=until_ns).parameters
        given = {name: suggested[name] if value is None else value for name, value in given.items()}
    try:
        return QuoteParameters(**given)
    except ValidationError as error:
        _, line = describe(error, QuoteParameters)
        raise SettingsError(
            f"parameters: {line}; change it with --set parameters.NAME=VALUE"
        ) from None


def opening_mid(events: I8, meta: Meta, settings: Settings, until_ns: int) -> float:
    """Return the price of one base unit in quote units at the end of the warm-up."""
    facts = suggest(events, meta, capital=settings.account.capital, until_ns=until_ns).facts
    return float(facts["mid"])


def target_of(meta: Meta, scale: I8, settings: Settings, mid: float) -> int:
    """Return the base units held while flat: on spot, what the position limit may sell."""
    lot = int(scale[SCALE_LOT])
    if settings.account.target_base is not None:
        units = Decimal(str(settings.account.target_base)) * UNITS
        return int(units) // lot * lot
    if not meta.spot:
        return 0
    capital = settings.account.capital * settings.risk.max_position_size
    return math.ceil(capital / mid * UNITS / lot) * lot

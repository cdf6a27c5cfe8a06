from decimal import Decimal

import numpy as np
import pytest

from exchange.advice import describe, suggest, visible
from exchange.errors import AdviceError
from exchange.importers.detect import import_feed
from exchange.importers.synthetic import synthetic_recording
from market.layout import EVENT_LOCAL_NS
from protocol.messages import QuoteParameters
from tests.exchange.feeds import NEXO, real_feed

HOUR_NS = 3600 * 1_000_000_000


@pytest.fixture(scope="module")
def day():
    return synthetic_recording(seed=3, hours=2.0)


def lots_of(quantity, lot):
    return Decimal(repr(quantity)) / Decimal(lot)


@pytest.mark.parametrize("capital", [900, 5_000, 100_000, 20_000_000])
@pytest.mark.parametrize("fee", [-0.5, 0.0, 10.0])
def test_the_suggestion_is_legal_at_every_capital_and_fee(day, capital, fee):
    """Whole lots, above the smallest order, within 1 % of the capital, valid on the wire."""
    meta = day.meta.model_copy(update={"maker_fee_bps": fee})
    advice = suggest(day.events, meta, capital=capital)
    parameters = QuoteParameters(**advice.parameters)
    for quantity in (parameters.base_quantity, parameters.max_position):
        assert lots_of(quantity, meta.lot) % 1 == 0
    price = advice.facts["mid"]
    assert parameters.max_position * price <= 0.01 * capital
    assert parameters.base_quantity * price >= 1.4 * float(meta.min_notional)
    assert advice.parameters["spread_percentage"] * 100 / 2 > fee


def test_a_fee_widens_the_spread_by_itself(day):
    """What is quoted must not lose to the fee alone."""
    free = suggest(day.events, day.meta, capital=100_000).parameters["spread_percentage"]
    meta = day.meta.model_copy(update={"maker_fee_bps": 30.0})
    dear = suggest(day.events, meta, capital=100_000).parameters["spread_percentage"]
    assert free < 0.6 <= dear < 0.62


def test_the_future_does_not_change_the_suggestion(day):
    """Cut anywhere after the time given, or rewritten there: the same parameters and facts."""
    until_ns = day.meta.span_ns[0] + HOUR_NS
    whole = suggest(day.events, day.meta, capital=100_000, until_ns=until_ns)
    cut = visible(day.events, until_ns)
    assert suggest(cut, day.meta, capital=100_000, until_ns=until_ns) == whole
    other = day.events.copy()
    other[other[:, EVENT_LOCAL_NS] > until_ns, 5] += 1000
    assert suggest(other, day.meta, capital=100_000, until_ns=until_ns) == whole
    assert suggest(day.events, day.meta, capital=100_000) == whole  # the first hour is the default


def test_a_capital_that_is_too_small_is_told_what_would_do(day):
    """The figure named is enough, and one less is not."""
    with pytest.raises(AdviceError, match=r"give at least \d+") as caught:
        suggest(day.events, day.meta, capital=10)
    assert caught.value.exit_code == 4
    needed = int(str(caught.value).rsplit(" ", 1)[1])
    assert suggest(day.events, day.meta, capital=needed).parameters["levels"] == 1
    for capital in (needed - 1, 0, float("nan")):
        with pytest.raises(AdviceError):
            suggest(day.events, day.meta, capital=capital)


def test_too_short_a_look_is_refused(day):
    """A minute of a two-sided book is the least."""
    for seconds in (-5, 0, 30):
        with pytest.raises(AdviceError, match="look at more hours"):
            suggest(
                day.events, day.meta, capital=1e5, until_ns=day.meta.span_ns[0] + seconds * 10**9
            )


def test_the_facts_are_those_of_a_plain_count(day):
    """Trades, spread and moves, against a few lines of numpy."""
    until_ns = day.meta.span_ns[0] + HOUR_NS
    facts = describe(day.events, day.meta, until_ns)
    shown = visible(day.events, until_ns)
    trades = shown[shown[:, 0] == 2]
    assert facts["trades"] == len(trades)
    assert facts["trades_per_minute"] == pytest.approx(len(trades) / facts["minutes"], rel=1e-4)
    assert facts["buyer_share"] == pytest.approx((trades[:, 1] == 1).mean())
    traded = trades[:, 6].sum() * 0.001 * 60 / facts["minutes"]
    assert facts["traded_base_per_hour"] == pytest.approx(traded, rel=1e-4)
    gaps = np.diff(shown[:, EVENT_LOCAL_NS]) / 1e9
    assert facts["longest_silence_s"] == pytest.approx(gaps.max())
    assert facts["tick_bps"] == pytest.approx(0.01 / facts["mid"] * 1e4)


def test_inverse_contracts_are_counted_in_contracts(day):
    """A contract is worth a fixed amount of the quote asset."""
    meta = day.meta.model_copy(
        update={"inverse": True, "contract_size": "10", "lot": "1", "min_notional": "0"}
    )
    advice = suggest(day.events, meta, capital=100_000)
    assert advice.parameters["max_position"] == 90.0
    assert advice.facts["quantities"] == "contracts"


def test_the_quiet_symbol_is_described_as_its_manifest_does():
    """NEXOUSDT over its whole day: spread 8.2 bps, p90 16.4, a 30 s move of 6.7 bps."""
    made = import_feed([real_feed(NEXO)]).recording
    facts = describe(made.events, made.meta, made.meta.span_ns[1])
    assert facts["spread_bps_p50"] == pytest.approx(8.2, abs=0.1)
    assert facts["spread_bps_p90"] == pytest.approx(16.4, abs=0.2)
    assert facts["spread_bps_mean"] == pytest.approx(9.9, abs=0.3)
    assert facts["mid_move_30s_bps"] == pytest.approx(6.7, abs=0.3)
    assert facts["buyer_share"] == pytest.approx(0.52, abs=0.01)
    assert 30 <= facts["silences_over_10s"] / (facts["minutes"] / 60) <= 50
    advice = suggest(made.events, made.meta, capital=100_000)
    QuoteParameters(**advice.parameters)

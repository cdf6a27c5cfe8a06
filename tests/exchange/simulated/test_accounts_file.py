import pytest

from exchange.errors import SimulationError
from exchange.simulated.accounts_file import read_accounts
from exchange.simulated.instrument import instrument_of
from exchange.simulated.refusals import Refusal
from exchange.simulated.signing import verify
from market.layout import UNITS
from tests.exchange.simulated.market import recording
from tests.exchange.simulated.test_signing import seal

KNOWN = instrument_of(recording(10).meta)
ONE = '[[account]]\nname = "maker"\nkey = "first"\nsecret = "another"\n'


def written(folder, text):
    path = folder / "accounts.toml"
    path.write_text(text)
    return path


def test_an_account_without_balances_gets_those_of_the_default_account(tmp_path):
    """100,000 of the quote asset, and base for about as much at the price of the start."""
    (found,) = read_accounts(written(tmp_path, ONE), KNOWN, 10_000)
    assert found.balances[KNOWN.quote] == 100_000 * UNITS
    worth = found.balances[KNOWN.base] // KNOWN.lot * KNOWN.tick_lot * 10_000
    assert abs(worth - 100_000 * UNITS) <= KNOWN.tick_lot * 10_000


def test_each_key_of_an_account_signs_with_its_own_secret(tmp_path):
    """A guardian reaches the executor's account by a key of its own."""
    path = written(tmp_path, ONE + 'more_keys = { second = "secret" }\n')
    (found,) = read_accounts(path, KNOWN, 10_000)
    verify(found, "a=1", seal("a=1"), "second")
    for key in ("first", None):
        with pytest.raises(Refusal):
            verify(found, "a=1", seal("a=1"), key)


def test_no_two_accounts_share_a_key_or_a_name(tmp_path):
    """The second key of one counts like the first; the refusal names accounts, and no key."""
    more = 'more_keys = { second = "secret" }\n'
    name = ONE.partition('name = "')[2].partition('"')[0]
    for other in (
        ONE.replace("first", "second").replace(name, "another"),
        ONE.replace("first", "third"),
    ):
        path = written(tmp_path, ONE + more + other)
        with pytest.raises(SimulationError, match="a name and a key of its own") as raised:
            read_accounts(path, KNOWN, 10_000)
        assert "second" not in str(raised.value).removeprefix(str(path))

"""Who may trade: the default account, or a TOML file with one table `[[account]]` each.

[[account]]
name = "maker"
key = "test"
secret = "test"                                 # or public_key = "-----BEGIN PUBLIC KEY..."
more_keys = { guardian-key = "guardian-secret" } # of the same account
balances = { USDT = "100000", NEXO = "40000" }  # default: 100,000 of the quote, the worth in base
maker_fee_bps = 1.0                             # default: the recording's
taker_fee_bps = 1.0
fee_asset = "BNB"                               # default: what each fill pays in
fee_asset_price = "580"                         # in the quote
"""

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exchange.errors import SimulationError
from exchange.recording import units
from exchange.simulated.accounts import Account, Fees
from exchange.simulated.instrument import Instrument
from exchange.simulated.usdm.margin import Margin
from market.layout import UNITS

KEY = "test"
QUOTE = 100_000
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,8})?$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class AccountEntry(BaseModel):
    """One account as the file has it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: Name
    key: Name
    secret: str = ""
    public_key: str | None = None
    more_keys: dict[Name, str] = Field(default_factory=dict)
    balances: dict[str, Amount] | None = None
    maker_fee_bps: float | None = Field(default=None, gt=-100, lt=1000)
    taker_fee_bps: float | None = Field(default=None, gt=-100, lt=1000)
    fee_asset: str | None = None
    fee_asset_price: Amount = "0"


class AccountsFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    account: list[AccountEntry] = Field(min_length=1)


def default_account(instrument: Instrument, price_ticks: int) -> Account:
    """Return the account `test`: 100,000 of the quote asset, and base worth about as much."""
    balances = default_balances(instrument, price_ticks)
    fees = Fees(instrument.maker_fee, instrument.taker_fee)
    return Account(name=KEY, key=KEY, secret=KEY, fees=fees, balances=balances, number=1)


def default_balances(instrument: Instrument, price_ticks: int) -> dict[str, int]:
    """Return 100,000 of the quote asset, and base worth about as much, in units."""
    worth = max(1, price_ticks * instrument.tick_lot)
    lots = QUOTE * UNITS // worth
    return {instrument.quote: QUOTE * UNITS, instrument.base: lots * instrument.lot}


def read_accounts(path: Path, instrument: Instrument, price_ticks: int) -> list[Account]:
    """Return the accounts of a file.

    Args:
        price_ticks: at the start, for accounts without balances.

    Raises:
        SimulationError: it cannot be read, or an entry is wrong.
    """
    try:
        found = AccountsFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SimulationError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SimulationError(f"{path}: is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SimulationError(f"{path}: {place}: {first['msg']}") from None
    keys = [key for entry in found.account for key in (entry.key, *entry.more_keys)]
    names = [entry.name for entry in found.account]
    if len(set(keys)) < len(keys) or len(set(names)) < len(names):
        raise SimulationError(
            f"{path}: every account needs a name and a key of its own, found accounts {names}"
        )
    given = default_balances(instrument, price_ticks)
    return [
        account_of(entry, instrument, number, given)
        for number, entry in enumerate(found.account, 1)
    ]


def account_of(
    entry: AccountEntry, instrument: Instrument, number: int, given: dict[str, int]
) -> Account:
    """Return one account; both assets of the symbol are listed, even when it has none of them.

    Args:
        given: balances of an entry that tells none.
    """
    told = entry.balances
    balances = dict(given)
    if told is not None:
        balances = {asset.upper(): units(amount) for asset, amount in told.items()}
    for asset in (instrument.base, instrument.quote):
        balances.setdefault(asset, 0)
    return Account(
        name=entry.name,
        key=entry.key,
        secret=entry.secret,
        public_key=entry.public_key,
        more_keys=dict(entry.more_keys),
        fees=Fees(
            maker=rate(entry.maker_fee_bps, instrument.maker_fee),
            taker=rate(entry.taker_fee_bps, instrument.taker_fee),
            asset=entry.fee_asset,
            asset_price=units(entry.fee_asset_price),
        ),
        balances=balances,
        number=number,
    )


def rate(bps: float | None, otherwise: int) -> int:
    """Return basis points as 1e-8 of the notional."""
    return otherwise if bps is None else round(Decimal(str(bps)) * UNITS / 10_000)


def on_margin(account: Account, instrument: Instrument, now_ns: int) -> Account:
    """Return an account as one of USD-M futures: a wallet, funded now, and no position yet.

    Clients take a wallet that was never changed for one that does not exist.

    Raises:
        SimulationError: it is given some of the base asset: a position is opened by trading.
    """
    if account.balances.get(instrument.base):
        raise SimulationError(
            f"the account {account.name} holds {instrument.base}; an account of futures has a "
            f"wallet in {instrument.quote} alone"
        )
    return replace(account, margin=Margin(), updated_ns=now_ns)

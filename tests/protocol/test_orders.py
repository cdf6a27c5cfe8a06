import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import SealError
from protocol.orders import (
    Approved,
    ApprovedParameters,
    Order,
    Seal,
    Side,
    claim_seal,
    demand_approved,
)

ROOT = Path(__file__).parents[2]
ORDER = Order(order_id=1, side=Side.BUY, price_ticks=100, lots=2)
PLAY = """
import sys, types
from protocol.errors import SealError
from protocol.orders import Approved, Order, claim_seal
gate = types.ModuleType("risk.gate")
exec("from protocol.orders import claim_seal; SEAL = claim_seal()", gate.__dict__)
order = Order(order_id=1, side=1, price_ticks=100, lots=2)
print(Approved(order, gate.SEAL).order == order)
try:
    exec("claim_seal()", gate.__dict__)
except SealError as error:
    print(error)
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_only_the_gate_may_claim_the_seal():
    """A test is not the gate."""
    with pytest.raises(SealError, match=r"only risk\.gate may claim"):
        claim_seal()


@pytest.mark.parametrize("forged", [Seal(), None, object()])
def test_an_order_cannot_be_approved_elsewhere(forged):
    """A seal made by hand is a forgery."""
    with pytest.raises(SealError, match="forged seal"):
        Approved(ORDER, forged)
    with pytest.raises(TypeError):
        Approved(ORDER)
    with pytest.raises(SealError, match="forged seal"):
        ApprovedParameters(None, forged)


def test_what_only_looks_like_an_approval_is_none():
    """Made without its constructor, it has no seal."""
    looks = object.__new__(Approved)
    object.__setattr__(looks, "order", ORDER)
    for wrong in (looks, ORDER, None):
        with pytest.raises(SealError, match="what the gate approved"):
            demand_approved(wrong)


def test_the_gate_claims_the_seal_once_and_seals_with_it():
    """In a fresh process, with a module of the gate's name."""
    done = run("-c", PLAY)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "True",
        "the seal of Approved must be claimed once, found a second claim",
    ]


def test_an_approval_cannot_be_copied_out_of_its_process():
    """Nor changed: an approval holds for the order it was given for."""
    approved = object.__new__(Approved)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SealError):
            attempt(approved)
    with pytest.raises(AttributeError):
        approved.order = ORDER


@pytest.mark.slow
def test_the_type_checker_refuses_an_approval_without_the_seal(tmp_path):
    """The proof that no order slips past the gate is mypy's."""
    play = tmp_path / "slip.py"
    play.write_text(
        "from protocol.orders import Approved, Order\n"
        "order = Order(order_id=1, side=1, price_ticks=100, lots=2)\n"
        "Approved(order)\n"
        "Approved(order, None)\n"
        "def place(order: Approved) -> None: ...\n"
        "place(order)\n"
        "from exchange.port import Venue\n"
        "async def send(venue: Venue) -> None:\n"
        "    await venue.place(order)\n"
        "from protocol.messages import QuoteParameters\n"
        "from protocol.orders import ApprovedParameters\n"
        "def take(approved: ApprovedParameters) -> None: ...\n"
        "def quote(params: QuoteParameters) -> None:\n"
        "    take(params)\n"
    )
    done = run("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(play))
    wrong = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[1] for line in wrong] == ["3", "4", "6", "9", "14"], done.stdout

"""A stand-in for an executor, as a process: beats, and places and cancels orders without pause.

    python -m tests.exchange.guardian.beater FOLDER URL TOKEN [futures]

It writes one line when its first orders rest. SIGTERM ends it cleanly: it cancels what it has.
A stop file ends the placing, as in the executor: looked at after each beat, before each order.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from exchange.guardian.account import BinanceAccount, Place
from protocol.beat import RUN_BYTES, BeatFile
from protocol.stopfile import stops_in

SYMBOL = "PLAYUSDT"
RESTING = 6


def main(folder, url, token, futures=""):
    """Trade until told to end."""
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    prefix = f"cp-{token}-"
    place = Place(f"{url}/{'fapi' if futures else 'api'}", SYMBOL, prefix, bool(futures))
    kind = {"type": "LIMIT", "timeInForce": "GTX"} if futures else {"type": "LIMIT_MAKER"}
    account = BinanceAccount(place, "test", "test", time.monotonic_ns)
    beat = BeatFile(folder, os.urandom(RUN_BYTES))
    number = time.time_ns() // 1_000_000
    resting = []
    said = False
    while not ending:
        beat.beat(time.monotonic())
        if stops_in(folder):
            signal.sigtimedwait([], 0.02)
            continue
        number += 1
        told = {"symbol": SYMBOL, "side": "BUY", "quantity": "1.00", **kind}
        told |= {"price": "98.00", "newClientOrderId": f"{prefix}{number}"}
        resting.append(account._signed("POST", "order", told)["orderId"])
        if len(resting) > RESTING:
            account._cancel(resting.pop(0))
            if not said:
                said = True
                sys.stdout.write(json.dumps({"resting": RESTING}) + "\n")
                sys.stdout.flush()
        signal.sigtimedwait([], 0.02)
    account.sweep(cancel=True)
    beat.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

"""Measure the memory that making a tape takes: the peak of a process of its own, file included.

A busy market is written to disk piece by piece; a child makes its tape from the mapped records
(`.npy`) and, for the smaller one, from a packed recording (`.npz`). Bounds: 1.3 times the
recording for 10 M events, 2 GB for 100 M. The files are deleted.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import ExitStack
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from exchange.recording import Meta
from exchange.recording_stream import FileSource, RecordSource
from market.features import observer_settings
from market.latency import ConstantLatency
from market.layout import KIND_CLEAR, RECORDING_DTYPE
from market.synthetic_busy import EVENTS as BUSY_EVENTS
from market.synthetic_busy import EXCHANGE_AND_LOCAL, SECONDS, START_NS, busy_records
from market.tape_sides import Making
from market.tape_stream import EventSource, stream_tape

SIZES = (10_000_000, 100_000_000)
PIECE = 1_000_000
INTERVAL_NS = 100_000_000
CYCLE_NS = 30 * 10**9
TICK, LOT = "0.1", "0.001"
BOUNDS = {10_000_000: 1.3 * 10_000_000 * RECORDING_DTYPE.itemsize, 100_000_000: 2.0 * 10**9}


def piece(number: int, start_ns: int) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Return the records of one piece, which begins by clearing both books."""
    data = busy_records(
        seed=number + 1, events=PIECE, seconds=SECONDS * PIECE / BUSY_EVENTS, start_ns=start_ns
    )
    clear = data[:1].copy()
    clear["ev"] = EXCHANGE_AND_LOCAL | KIND_CLEAR
    clear["px"] = clear["qty"] = 0.0
    return np.concatenate([clear, data[:-1]])


def write(path: Path, events: int) -> str:
    """Write so many records as `.npy`, a piece at a time; return their SHA-256."""
    digest, start_ns, last_ns = sha256(), START_NS, 0
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header(events))
        for number in range(events // PIECE):
            data = piece(number, start_ns)
            data["local_ts"] = np.maximum(data["local_ts"], last_ns)
            start_ns, last_ns = int(data["exch_ts"][-1]) + 1, int(data["local_ts"][-1])
            file.write(data.data)
            digest.update(data.data)
    return digest.hexdigest()


def header(events: int) -> dict[str, object]:
    """Return numpy's header of so many records."""
    descr = np.lib.format.dtype_to_descr(RECORDING_DTYPE)
    return {"descr": descr, "fortran_order": False, "shape": (events,)}


def pack(records: Path, path: Path, digest: str) -> None:
    """Write `.npy` records as a packed recording."""
    meta = Meta(
        venue="bench", symbol="BTC-USDT", base="BTC", quote="USDT", tick=TICK, lot=LOT,
        sha256=digest,
    )  # fmt: skip
    buffer = BytesIO()
    np.lib.format.write_array(buffer, np.array(meta.model_dump_json().encode()))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.write(records, "data.npy")
        file.writestr("meta.npy", buffer.getvalue())


def peak_bytes() -> int:
    """Return the most memory that this process held at once.

    The kernel's own account of it: `getrusage` also counts what its parent held before.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(path: Path) -> None:
    """Make the tape of a file and print what it took."""
    making = Making(
        INTERVAL_NS,
        CYCLE_NS,
        observer_settings(interval_s=INTERVAL_NS / 1e9),
        ConstantLatency(5_000_000, 5_000_000, 5_000_000),
    )
    began = time.process_time()
    with ExitStack() as stack:
        source: EventSource
        if path.suffix == ".npz":
            source = stack.enter_context(FileSource(path))
        else:
            source = RecordSource(np.load(path, mmap_mode="r"), tick=TICK, lot=LOT)
        tape = stream_tape(source, making)
    figures = {
        "peak_bytes": peak_bytes(),
        "seconds": round(time.process_time() - began, 2),
        "steps": len(tape.steps),
        "level_rows": len(tape.stream.level_events),
        "hits": len(tape.stream.hit_events),
    }
    print(json.dumps(figures))


def measured(path: Path) -> dict[str, float]:
    """Return what a child says of a file."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print a table and one JSON line."""
    out = []
    print(f"{'events':>12}{'file':>6}{'peak MB':>10}{'bound MB':>10}{'ns/event':>10}{'steps':>10}")
    for events in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "records.npy"
            digest = write(path, events)
            files = [path]
            if events == min(SIZES):
                files.append(Path(folder) / "records.npz")
                pack(path, files[-1], digest)
            for file in files:
                found = measured(file)
                row = {"events": events, "file": file.suffix, "bound_bytes": BOUNDS[events]}
                row |= found | {"within": found["peak_bytes"] <= BOUNDS[events]}
                out.append(row)
                print(
                    f"{events:>12,}{file.suffix:>6}{found['peak_bytes'] / 1e6:>10.0f}"
                    f"{BOUNDS[events] / 1e6:>10.0f}{found['seconds'] / events * 1e9:>10.1f}"
                    f"{found['steps']:>10,.0f}"
                )
    print(json.dumps({"bench": "memory", "rows": out}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(Path(sys.argv[1]))
    else:
        main()

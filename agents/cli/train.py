"""`counterpoint train`: learns a residual on top of the policy, and writes it as a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.backtest_files import demand_file
from agents.cli.exits import OK, USAGE, CommandError
from agents.cli.flags import resolve
from agents.cli.output import put
from agents.cli.run import make_ready
from agents.cli.talk import Talk

if TYPE_CHECKING:
    from agents.settings import Settings
    from agents.training import Generation, Trained

BUDGET = 200_000_000
FILE = "checkpoint.npz"


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for, beside the settings."""

    randomise: bool = False
    budget: int = BUDGET
    out: Path | None = None
    as_json: bool = False


def train(
    config: Path | None, change: list[str] | None, flags: Mapping[str, object], request: Request
) -> int:
    """Learn, write, tell; return the exit code."""
    if request.budget < 1:
        raise CommandError(f"--budget must be >= 1 guard steps, found {request.budget}", USAGE)
    if request.out is not None:
        demand_file("--out", request.out, ".npz", None)
    settings = resolve(config, change, flags).settings
    make_ready(settings)
    from agents.checkpoint import write_checkpoint

    trained, told = learned(settings, request)
    path = settings.data / FILE if request.out is None else request.out
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(path, trained.coefficients, settings.executor.policy, told)
    if request.as_json:
        history = [asdict(each) for each in trained.history]
        put(json.dumps(told | {"history": history, "written": str(path)}))
    else:
        put("\n".join(lines(trained, path)))
    return OK


def learned(settings: "Settings", request: Request) -> "tuple[Trained, dict[str, Any]]":
    """Return what was learned, and what the checkpoint tells of it."""
    from agents.backtest.opening import open_backtest
    from agents.checkpoint import read_checkpoint
    from agents.cli.backtest import tape_of
    from agents.training import artificial, recorded
    from agents.training import train as search

    talk, start = Talk(), None
    executor = settings.executor
    if executor.checkpoint is not None:
        start = read_checkpoint(executor.checkpoint, executor.policy).coefficients
    session, tape = open_backtest(settings, lambda opened: tape_of(opened, talk))
    ground, held_out = recorded(session, tape, until_ns=session.last_ns)
    if not ground.spans:
        raise CommandError("the recording is too short to learn from", USAGE)
    grounds = [ground]
    if request.randomise:
        talk.line("making artificial markets")
        grounds += artificial(settings, settings.seed)

    def on_generation(each: "Generation") -> None:
        share = each.steps / request.budget
        talk.line(f"learning: {share:.0%}, utility {each.centre:+.4f}, step {each.size:.3f}")

    trained = search(
        grounds, held_out, budget_steps=request.budget, seed=settings.seed, start=start,
        on_generation=on_generation,
    )  # fmt: skip
    talk.done()
    told = {
        "data": session.meta.sha256,
        "seed": settings.seed,
        "budget_steps": request.budget,
        "randomised": request.randomise,
        "gains": trained.grounds,
        "held_out": trained.held_out,
        "better": trained.better,
    }
    return trained, told


def lines(trained: "Trained", path: Path) -> list[str]:
    """Return the result as text, the learning curve in a few rows."""
    rows = trained.history
    shown = sorted({round(at * (len(rows) - 1) / 7) for at in range(8)}) if rows else []
    text = [f"{'steps':>15}{'utility':>10}"]
    text += [f"{rows[at].steps:>15,}{rows[at].centre:>+10.4f}" for at in shown]
    text += ["", "gain of utility where it was trained:"]
    text += [f"  {name:<28}{gain:>+9.4f}" for name, gain in trained.grounds.items()]
    held = trained.held_out
    if held["slices"]:
        text.append(
            f"held out: {held['mean']:+.4f} a slice of ten minutes "
            f"({held['lower']:+.4f} to {held['upper']:+.4f}), {held['slices']} slices"
        )
    text.append(f"surely better than before: {'yes' if trained.better else 'no'}")
    text.append(f"written: {path}; trade with it: --set executor.checkpoint={path}")
    return text

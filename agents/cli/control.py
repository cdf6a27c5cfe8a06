"""The operator's words to what runs: `status`, `mode`, `stop`, `rearm`, `pause`, `resume`, `down`.

What is running is found by `stack`; what it shows of itself is gathered by `standing`. Each command
acts on every run that is alive under the data folder, or on the one that `--run` names.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from agents.cli.exits import ERROR, OK, TIMEOUT, USAGE, CommandError
from agents.cli.lone import live_executors, rearm_lone, says_stopped
from agents.cli.stack import (
    SUPERVISOR,
    Stack,
    must_run,
    named,
    operator,
    reachable,
    silence_of,
    unjoined,
    wait_gone,
)
from agents.settings import Settings
from protocol.bus.participant import COORDINATOR, Participant, Received
from protocol.elements import SETS_MAX
from protocol.errors import BusError, ProtocolError, printable
from protocol.messages import (
    Ack,
    EmergencyStop,
    Mode,
    ModeChange,
    Nack,
    Pause,
    Rearm,
    Resume,
    Stage,
    Word,
)
from protocol.settings import Loaded
from protocol.stopfile import add_stop, lift_stops, stops_in

ANSWER_S = 10.0
"""How long a command waits for its answers, unless told otherwise."""
TIMEOUT_MAX_S = 300.0
DOWN_S = 90.0
"""How long `down` waits: parts end within seconds, the result of a long run takes longer."""


def warn(line: str) -> None:
    """Tell the person what went wrong, on stderr."""
    print(f"counterpoint: {line}", file=sys.stderr, flush=True)


def say_to(
    me: Participant, names: tuple[str, ...], word: Word, message_id: str, ttl_s: float
) -> dict[str, asyncio.Future[Received]]:
    """Post one word to several under one id; return the future answers by name."""
    ttl_ms = max(1, round(min(ttl_s, TIMEOUT_MAX_S) * 1000))
    return {name: me.post(name, word, message_id=message_id, ttl_ms=ttl_ms) for name in names}


async def answers(
    futures: dict[str, asyncio.Future[Received]], timeout_s: float
) -> dict[str, Word | None]:
    """Return the final answers by name; None for whoever gave none in time."""
    await asyncio.wait(futures.values(), timeout=max(0.0, timeout_s))
    found: dict[str, Word | None] = {}
    for name, future in futures.items():
        heard = future.done() and not future.cancelled() and future.exception() is None
        found[name] = future.result().word if heard else None
    return found


def problem(name: str, word: Word | None, wanted: Stage, timeout_s: float) -> str | None:
    """Return what is wrong with an answer as a line, None when it is what was wanted."""
    match word:
        case Ack() if word.stage is wanted:
            return None
        case Nack():
            return f"{name} refused: {word.code.value} {word.detail}"
        case None:
            return f"{name} did not say `{wanted.value}` within {timeout_s:g} s"
        case _:
            return f"{name} answered {word.type_name} instead of `{wanted.value}`"


def on_each(stacks: list[Stack], work: Any) -> int:
    """Run `work(stack)` on the bus of each run, of all at once: a silent one holds up no other.

    What fails is one line; return the worst code.
    """

    async def one(stack: Stack) -> int:
        task: Coroutine[Any, Any, int] = work(stack)
        try:
            return await task
        except ProtocolError as error:
            warn(f"{error} ({stack.folder})")
            return error.exit_code

    async def every() -> list[int]:
        return await asyncio.gather(*map(one, stacks))

    return max(asyncio.run(every()), default=OK)


def everybody(settings: Settings, run: str | None) -> tuple[list[Stack], list[Path]]:
    """Return all live runs, and the folders of executors that have no bus; or the one named.

    Raises:
        CommandError: nothing runs, exit code 3; `run` names none or several, exit code 2.
    """
    if settings.bus.connect is not None and run is not None:
        reachable(settings, run)  # raises: it is not on this machine
    lone = live_executors(settings.data)
    try:
        stacks = reachable(settings)
    except CommandError:  # also of a run whose configuration is damaged: its stop file works
        if not lone:
            raise
        stacks = []
    known = [stack.folder for stack in stacks]
    lone = [folder for folder in lone if folder not in known]
    wanted = named([*known, *lone], run)
    return (
        [stack for stack in stacks if stack.folder in wanted],
        [folder for folder in lone if folder in wanted],
    )


# --- stop and rearm --------------------------------------------------------------------------
def stop(
    loaded: Loaded[Settings], *, reason: str, flatten: bool, timeout_s: float, run: str | None
) -> int:
    """Cancel everything and stay stopped; 0 only when every executor said `stopped`, else 5."""
    timeout_s = min(max(0.1, timeout_s), TIMEOUT_MAX_S)
    deadline_s = time.monotonic() + timeout_s
    stacks, lone = everybody(loaded.settings, run)
    stop_id = secrets.token_hex(16)
    for folder in [*(stack.folder for stack in stacks), *lone]:
        try:
            add_stop(folder, stop_id, flatten=flatten)
        except OSError as error:  # the bus may still work
            warn(f"the stop file in {folder} could not be written: {error.strerror}")
    word = EmergencyStop(scope="all", flatten=flatten, reason=printable(reason))

    async def say(stack: Stack) -> int:
        return await stopping(stack, word, stop_id, timeout_s)

    code = TIMEOUT if on_each(stacks, say) != OK else OK
    for folder in lone:
        if says_stopped(folder, stop_id, flatten=flatten, deadline_s=deadline_s):
            print(f"{folder.name} stopped: nothing of ours is open (stop {stop_id})")
        else:
            warn(f"{folder}: not confirmed within {timeout_s:g} s; its stop file holds")
            code = TIMEOUT
    return code


async def stopping(stack: Stack, word: EmergencyStop, stop_id: str, timeout_s: float) -> int:
    """Say the stop to the coordinator and every executor of one run, and wait."""
    deadline_s = time.monotonic() + timeout_s
    file = f"the stop file in {stack.folder} holds all the same"
    try:
        async with unjoined(stack) as me:
            # An unconfirmed stop goes on being said as long as we are here.
            names = (COORDINATOR, *stack.executors)
            futures = say_to(me, names, word, stop_id, TIMEOUT_MAX_S)
            left_s = deadline_s - time.monotonic()
            said = await answers({name: futures[name] for name in stack.executors}, left_s)
            told = await answers({COORDINATOR: futures[COORDINATOR]}, min(1.0, left_s))
    except ProtocolError as error:
        warn(f"not confirmed: {error}; {file}")
        return TIMEOUT
    found = [problem(name, each, Stage.STOPPED, timeout_s) for name, each in said.items()]
    wrong = [line for line in found if line is not None]
    if wrong:
        if told[COORDINATOR] is None:
            wrong.append(silence_of(stack, timeout_s))
        warn(f"not confirmed: {'; '.join(wrong)}; {file}")
        return TIMEOUT
    late = problem(COORDINATOR, told[COORDINATOR], Stage.STOPPED, 1.0)
    if late is not None:
        warn(f"{late}; the executors are stopped all the same")
    flat = ", nor a position that could be closed" if word.flatten else ""
    print(f"{', '.join(stack.executors)} stopped: nothing of ours is open{flat} (stop {stop_id})")
    print("quote again with `counterpoint rearm`")
    return OK


def rearm(loaded: Loaded[Settings], *, reason: str, run: str | None) -> int:
    """Lift every stop in force by its id; 0 when coordinator and executors have it on disk."""
    why = printable(reason)

    async def lift(stack: Stack) -> int:
        return await rearming(stack, why)

    stacks, lone = everybody(loaded.settings, run)
    code = on_each(stacks, lift)
    for folder in lone:
        try:
            rearm_lone(folder, why, ANSWER_S)
        except (CommandError, ProtocolError) as error:
            warn(str(error))
            code = max(code, error.exit_code)
        except OSError as error:
            warn(f"{folder}: the word could not be written: {error.strerror}")
            code = max(code, ERROR)
    return code


async def rearming(stack: Stack, reason: str) -> int:
    """Lift all stops of one run: those of the coordinator, of the executors, of the file."""
    from agents.cli.standing import Standing

    standing = Standing(stack)
    async with operator(stack, ANSWER_S, standing.listen) as (me, snapshot):
        await standing.gather(snapshot, complete=False)
        ids = sorted(standing.stops)
        if not ids:
            print("no stop is in force")
            return OK
        names = (COORDINATOR, *stack.executors)
        for first in range(0, len(ids), SETS_MAX):
            word = Rearm(lifts=tuple(ids[first : first + SETS_MAX]), reason=reason)
            said = await answers(say_to(me, names, word, secrets.token_hex(16), ANSWER_S), ANSWER_S)
            found = [problem(name, each, Stage.RECEIVED, ANSWER_S) for name, each in said.items()]
            wrong = [line for line in found if line is not None]
            if wrong:
                warn(f"not lifted everywhere: {'; '.join(wrong)}; run `counterpoint rearm` again")
                return TIMEOUT
    try:
        lift_stops(stack.folder, ids)
    except OSError as error:  # harmless: a lifted id never stops again
        warn(f"the stop file in {stack.folder} could not be removed: {error.strerror}")
    print(f"{', '.join(stack.executors)} may quote again; lifted {', '.join(ids)}")
    return OK


# --- pause and resume ------------------------------------------------------------------------
def pause(loaded: Loaded[Settings], *, quoting: bool, run: str | None) -> int:
    """Withdraw the quotes, or allow them again; 0 when every executor has it on disk."""

    async def say(stack: Stack) -> int:
        async with operator(stack, ANSWER_S) as (me, _):
            word = Resume() if quoting else Pause()
            futures = say_to(me, stack.executors, word, secrets.token_hex(16), ANSWER_S)
            said = await answers(futures, ANSWER_S)
        found = [problem(name, each, Stage.RECEIVED, ANSWER_S) for name, each in said.items()]
        wrong = [line for line in found if line is not None]
        if wrong:
            warn("; ".join(wrong))
            return TIMEOUT
        held = stops_in(stack.folder)
        what = "may quote again" if quoting else "paused: quotes are withdrawn"
        if quoting and held:
            what = "no longer paused, but stopped"
        print(f"{', '.join(stack.executors)} {what}")
        if quoting and held:
            warn(f"{len(held)} stops are still in force; lift them with `counterpoint rearm`")
        return OK

    return on_each(reachable(loaded.settings, run), say)


# --- mode ------------------------------------------------------------------------------------
def mode(loaded: Loaded[Settings], name: str, *, reason: str, run: str | None) -> int:
    """Switch how proposals become decisions; 0 once the change stands in the decision log."""
    if name not in set(Mode):
        offered = ", ".join(Mode)
        raise CommandError(f"mode must be one of {offered}, found {printable(name)}", USAGE)
    wanted = Mode(name)

    async def change(stack: Stack) -> int:
        return await switching(stack, wanted, printable(reason))

    return on_each(reachable(loaded.settings, run), change)


async def switching(stack: Stack, wanted: Mode, reason: str) -> int:
    """Change the mode of one run from the one that it is in now."""
    async with operator(stack, ANSWER_S) as (me, snapshot):
        old, generation = snapshot.mode, snapshot.generation
        if old is wanted:
            print(f"{wanted.value} is in force already, generation {generation}")
            return OK
        document = {"from": old, "to": wanted, "gen": generation, "reason": reason}
        word = ModeChange.model_validate(document)
        futures = say_to(me, (COORDINATOR,), word, secrets.token_hex(16), ANSWER_S)
        said = (await answers(futures, ANSWER_S))[COORDINATOR]
    wrong = problem(COORDINATOR, said, Stage.DECIDED, ANSWER_S)
    if wrong is not None:
        warn(wrong)
        return ERROR if isinstance(said, Nack) else TIMEOUT
    print(
        f"{old.value} -> {wanted.value}, generation {generation + 1}: what was open is decided anew"
    )
    return OK


# --- status ----------------------------------------------------------------------------------
def status(loaded: Loaded[Settings], *, as_json: bool, run: str | None) -> int:
    """Tell what is running; 3 when nothing is, 5 when it runs and its bus is silent."""
    from agents.cli.standing import Standing, show

    stacks = reachable(loaded.settings, run)
    worst = OK
    documents = []
    for stack in stacks:
        standing = Standing(stack)
        silence = look(stack, standing)
        document = standing.document()
        documents.append(document)
        if not as_json:
            show(document)
        if silence is not None:
            warn(f"{silence} ({stack.folder})")
            worst = TIMEOUT
    if as_json:
        newest = {**documents[0], "others": [each["run"] for each in documents[1:]]}
        print(json.dumps(newest, indent=1))
    return worst


def look(stack: Stack, standing: Any) -> BusError | None:
    """Let a standing gather what the bus says; return why it could not."""

    async def gather() -> None:
        async with operator(stack, 3.0, standing.listen) as (_, snapshot):
            await standing.gather(snapshot, complete=True)

    try:
        asyncio.run(gather())
    except BusError as error:
        return error
    return None


# --- down ------------------------------------------------------------------------------------
def down(loaded: Loaded[Settings], *, run: str | None) -> int:
    """End what runs cleanly and wait until it is gone; 5 when it does not end."""
    worst = OK
    for stack in must_run(loaded.settings.data, run):
        try:
            ask_to_end(stack)
        except PermissionError as error:
            raise CommandError(
                f"{stack.folder}: {error.strerror}: not our process", ERROR
            ) from None
        if wait_gone(stack.folder, DOWN_S):
            print(f"ended {stack.folder}")
        else:
            ids = ", ".join(f"{name} {pid}" for name, pid in stack.pids.items())
            warn(f"{stack.folder} did not end within {DOWN_S:g} s: {ids}")
            worst = TIMEOUT
    return worst


def ask_to_end(stack: Stack) -> None:
    """Send SIGTERM to the supervisor; to the parts, the executor first, when it is gone."""
    pids = stack.pids
    if SUPERVISOR in pids:
        wanted = [pids[SUPERVISOR]]
    else:
        names = sorted(pids, key=lambda name: name not in stack.executors)
        wanted = [pids[name] for name in names]
    for pid in wanted:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue

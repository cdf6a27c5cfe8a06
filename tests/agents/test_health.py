import asyncio

import pytest

from agents.health import main
from protocol.telemetry_server import Shown, serving


@pytest.mark.parametrize(("problem", "code"), [(None, 0), ("the venue is not connected", 1)])
async def test_a_process_says_itself_whether_it_is_well(problem, code, capsys):
    """It answers in both cases; the line says what is wrong."""
    async with serving(0, Shown("executor", lambda: (), {}, lambda: problem)) as port:
        assert await asyncio.to_thread(main, [str(port)]) == code
    assert capsys.readouterr().out.strip() == (problem or "")


async def test_who_does_not_answer_is_not_well(capsys):
    """A dead process shows nothing."""
    async with serving(0, Shown("coordinator", lambda: (), {})) as port:
        pass
    assert await asyncio.to_thread(main, [str(port)]) == 1
    assert "no answer" in capsys.readouterr().out

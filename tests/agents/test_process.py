"""How a process of an agent starts: what its folder tells later."""

from agents.cli.stack import settings_in
from agents.executor import __main__ as executor


def test_an_executor_that_nobody_configured_keeps_its_settings(tmp_path, monkeypatch):
    """In a container they come from the environment; report, risk and incident read the folder."""

    async def served(*_, **__):
        return 0

    monkeypatch.setattr(executor, "serve", served)
    monkeypatch.setenv("COUNTERPOINT__ACCOUNT__CAPITAL", "1234")
    assert executor.main(["--run", str(tmp_path / "run"), "--hours", "2"]) == 0
    kept = settings_in(tmp_path / "run")
    assert (kept.account.capital, kept.feed.hours) == (1234.0, 2.0)
    given = tmp_path / "given.json"
    given.write_text(kept.model_dump_json(), encoding="utf-8")
    assert executor.main(["--config", str(given), "--run", str(tmp_path / "other")]) == 0
    assert not (tmp_path / "other" / "config.json").exists()

"""`counterpoint log` of a stack that was configured elsewhere: its coordinator tells the mode."""

import json

from agents.cli.log_command import mode_of
from agents.settings import Settings
from bench.ports import free_ports
from protocol.messages import Mode
from tests.integration.house import House

SET = {"spread_percentage": 0.18, "levels": 4, "base_quantity": 0.001, "max_position": 0.01}


def settings_of(place, **bus):
    """Settings with their own words about the bus."""
    document = {
        "data": str(place),
        "parameters": SET,
        "coordinator": {"mode": "consensus"},
        "bus": {"keys": str(place / "keys"), **bus},
        "run": {"optimizers": 2},
    }
    return Settings.model_validate_json(json.dumps(document))


def test_before_the_first_decision_the_coordinator_is_asked_for_the_mode(tmp_path):
    """From another host, with the operator's key; silence is no error."""
    place = f"tcp://127.0.0.1:{free_ports()}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    asking = settings_of(tmp_path, connect=place)
    with House(settings_of(tmp_path, folder=str(tmp_path / "s"), listen=place)) as house:
        assert mode_of(elsewhere, [], asking) is None
        house.coordinator()
        for _ in range(10):
            if mode_of(elsewhere, [], asking) is not None:
                break
        assert mode_of(elsewhere, [], asking) is Mode.CONSENSUS, house.last_words()

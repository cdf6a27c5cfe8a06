import numpy as np

from agents.optimizer import rehearsal
from agents.settings import Settings


def test_a_rehearsal_goes_the_whole_way_and_leaves_nothing(tmp_path, monkeypatch):
    """It finds the planted edge; no file is written, no stream of random numbers moved."""
    monkeypatch.chdir(tmp_path)
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002 - that it is left alone
    settings = Settings.model_validate({"optimizer": {"budget": 32}})
    assert rehearsal.rehearse(settings, "optimizer-1")
    assert list(tmp_path.iterdir()) == []
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002

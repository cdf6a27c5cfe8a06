"""What the store of studies promises: whole batches, bit for bit, the same in either engine."""

import pytest
import sqlalchemy as sa

from agents.optimizer.studies import Batch, Studies, StudyError, Trial
from agents.optimizer.study_schema import METADATA, STUDIES

UGLY = (0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1 / 3, -2.2250738585072014e-308)
TRIAL = Trial(
    "gp", UGLY, {"levels": 3, "spread_percentage": 0.1 + 0.7}, UGLY[:3], -1 / 3, slices=24
)


def batch(number, window=1, trials=(TRIAL, TRIAL)):
    """A batch of a window."""
    return Batch(
        window=window, batch=number, told_ns=2**62 + 1, candidates=2, front=1, hypervolume=1 / 3,
        search_s=0.1, replay_s=0.2, calls=bytes(range(256)), trials=trials,
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'studies.db'}"
        return
    place = request.getfixturevalue("postgresql").url
    yield place
    engine = sa.create_engine(place.replace("postgresql:", "postgresql+psycopg:"))
    METADATA.drop_all(engine)
    engine.dispose()


def test_what_is_stored_reads_back_bit_for_bit_in_either_engine(url):
    """Subnormals, thirds, the largest double: a study goes on from what it was, not near it."""
    with Studies.open(url) as studies:
        studies.begin("a", {"settings": {"x": UGLY[0]}}, 5)
        studies.put("a", batch(0))
        studies.put("a", batch(1))
    with Studies.open(url) as studies:
        assert studies.batches("a", 1) == [batch(0), batch(1)]
        assert [each["number"] for each in studies.trials("a", 1)] == [0, 1, 2, 3]
        assert studies.get("a").document == {"settings": {"x": UGLY[0]}}
        assert studies.get("a").result is None
        studies.complete("a", {"digest": "f"})
        assert studies.get("a").result == {"digest": "f"}
        assert studies.names() == ["a"]


def test_a_batch_that_is_there_already_is_refused_whole(url):
    """Two processes on one study: the second is told so, and leaves nothing half done."""
    with Studies.open(url) as studies:
        studies.begin("a", {}, 5)
        studies.put("a", batch(0))
        with pytest.raises(StudyError, match="another process") as told:
            studies.put("a", batch(0, trials=(TRIAL,) * 5))
        assert "\n" not in str(told.value)
        assert len(studies.trials("a", 1)) == 2
        with pytest.raises(StudyError, match="just begun"):
            studies.begin("a", {}, 5)


def test_a_batch_whose_candidates_cannot_be_stored_is_not_stored(url):
    """Row and candidates are one transaction: a batch is there whole or not at all."""
    broken = Trial("gp", UGLY, {}, UGLY, None, slices=1)
    with Studies.open(url) as studies:
        studies.begin("a", {}, 5)
        with pytest.raises(StudyError):
            studies.put("a", batch(0, trials=(TRIAL, broken)))
        assert studies.batches("a") == []
        studies.put("a", batch(0))
        assert len(studies.batches("a", 1)) == 1


def test_a_study_of_another_program_is_refused(tmp_path):
    """A schema that this program does not write is named, with what to do."""
    with Studies.open(f"sqlite:///{tmp_path / 's.db'}") as studies:
        studies.begin("a", {}, 5)
        with studies._engine.begin() as connection:
            connection.execute(sa.update(STUDIES).values(schema=9))
        with pytest.raises(StudyError, match="schema 9, this program writes 1"):
            studies.get("a")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("nonsense", "must be a URL"),
        ("mysql://x/y", "sqlite or postgresql"),
        ("sqlite:////nowhere/at/all/s.db", "No such file"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "127.0.0.1"),
    ],
)
def test_a_database_out_of_reach_is_one_line_without_a_password(url, word):
    """Whoever reads it over the shoulder learns no secret."""
    with pytest.raises(StudyError, match=word) as told:
        Studies.open(url)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)

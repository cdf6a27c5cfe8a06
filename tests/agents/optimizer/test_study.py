"""A study goes on where it was killed and ends as it would have; it refuses what is not its own."""

import dataclasses

import optuna
import pytest
import sqlalchemy as sa

from agents.cli.optimize_watch import line_of, watch
from agents.optimizer.standalone import walk
from agents.optimizer.studies import Studies, StudyError
from agents.optimizer.study import SEAT
from agents.optimizer.study_export import export
from agents.optimizer.study_schema import TRIALS
from tests.agents.optimizer.studying import NAME, Killed, database, result

BATCHES_LEAST = 6


@pytest.fixture(scope="module")
def whole(planted, tmp_path_factory):
    """A study that nobody killed: its document, its batches, its database."""
    url = database(tmp_path_factory.mktemp("whole"))
    return *result(planted, url), url


def changed(section, **change):
    """Settings with another value."""

    def replaced(session):
        held = getattr(session.settings, section)
        settings = session.settings.model_copy(update={section: held.model_copy(update=change)})
        return dataclasses.replace(session, settings=settings)

    return replaced


def test_killed_at_any_batch_it_ends_with_the_same_bytes(planted, whole, tmp_path):
    """Front, verdict, every figure: the digest of all is that of the study that nobody killed."""
    document, batches, _ = whole
    assert len(batches) >= BATCHES_LEAST
    for killed_after in range(len(batches)):
        url = database(tmp_path)
        name = f"killed-{killed_after}"
        with pytest.raises(Killed):
            result(planted, url, killed_after=killed_after, name=name)
        again, seen = result(planted, url, name=name)
        assert sum(restored for _, restored in seen) == killed_after
        assert again["front"] == document["front"]
        assert [each.hypervolume for each, _ in seen] == [each.hypervolume for each, _ in batches]
        assert again["digest"] == document["digest"]


def test_a_study_killed_again_and_again_loses_no_batch_that_it_told(planted, whole, tmp_path):
    """It comes a batch further each time, and then to the same end."""
    document, batches, _ = whole
    for done in range(len(batches) - 1):
        with pytest.raises(Killed):
            result(planted, database(tmp_path), killed_after=1)
        with Studies.open(database(tmp_path)) as studies:
            assert len(studies.batches(NAME)) == done + 1
    assert result(planted, database(tmp_path))[0]["digest"] == document["digest"]


def test_a_complete_study_replays_no_candidate(planted, whole):
    """Asked again, all of it comes from the store."""
    document, _, url = whole
    again, seen = result(planted, url)
    assert all(restored for _, restored in seen)
    assert again == document


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (changed("optimizer", budget=17), "optimizer.budget 16, found 17"),
        (changed("risk", daily_loss_limit=0.01), "risk.daily_loss_limit"),
        (changed("feed", maker_fee_bps=3.0), "feed.maker_fee_bps None, found 3.0"),
    ],
)
def test_another_setting_is_refused_by_name(planted, whole, settings, words):
    """One line: what it was begun with, what was found, what to do."""
    with pytest.raises(StudyError, match=words) as told:
        result(planted, whole[2], settings=settings)
    assert "another study" in str(told.value)
    assert "\n" not in str(told.value)


def test_threads_and_folders_are_nobodys_business(planted, whole):
    """What a study does not depend on may change from one start to the next."""
    again, _ = result(planted, whole[2], settings=changed("optimizer", threads=1))
    assert again["digest"] == whole[0]["digest"]


def test_another_recording_and_other_windows_are_refused(planted, whole):
    """The recording is known by its content."""

    def other(session):
        meta = session.meta.model_copy(update={"sha256": "0" * 64})
        return dataclasses.replace(session, meta=meta)

    with pytest.raises(StudyError, match="another recording"):
        result(planted, whole[2], settings=other)
    with pytest.raises(StudyError, match="other windows"):
        result(planted, whole[2], count=1)


def test_a_store_that_says_something_else_than_the_search_is_refused(planted, tmp_path):
    """A single changed bit of a value, or a point that nobody would have asked for."""
    url = database(tmp_path)
    result(planted, url, count=1)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        row = connection.execute(sa.select(TRIALS).where(TRIALS.c.number == 5)).mappings().one()
        values = [*row["values"][:2], row["values"][2] + 1e-15]
        connection.execute(sa.update(TRIALS).where(TRIALS.c.number == 5).values(values=values))
    engine.dispose()
    with pytest.raises(StudyError, match=r"does not follow.*window 1, batch 1") as told:
        result(planted, url, count=1)
    assert "\n" not in str(told.value)


def test_it_finds_what_the_optimizer_alone_finds(planted, tmp_path):
    """A study of every boundary is the walk of `counterpoint optimizer`."""
    boundary_h = planted.settings.optimizer.boundary_s / 3600.0
    document, _ = result(planted, database(tmp_path), count=4, hours=boundary_h)
    first = len(planted.boundaries()) - 3
    alone = walk(planted, name=SEAT, first=first)
    for row, other in zip(document["rows"], alone["rows"], strict=True):
        assert (row["reason"], row["confidence"]) == (other["reason"], other["confidence_score"])
        assert row["published"] == other["proposed"]
    assert document["rows"][-1]["after"] == alone["final"]


def test_who_looks_on_sees_it_grow_and_end(planted, tmp_path, capsys):
    """Window, batch, candidates, front, hypervolume; the last line says that it is complete."""
    url = database(tmp_path)
    with pytest.raises(Killed):
        result(planted, url, killed_after=3)

    def meanwhile(_):
        result(planted, url)

    with Studies.open(url) as studies:
        assert watch(studies, studies.get(NAME), wait=meanwhile) == 0
    said = capsys.readouterr().out.splitlines()
    assert "2 windows of 16 candidates" in said[0]
    assert "window 1 of 2, batch 2" in said[1]
    assert said[-1].endswith("; complete")
    assert "window 2 of 2" in said[-1]


def test_a_study_that_nobody_works_on_says_so(whole):
    """The newest batch is long ago."""
    batches = [batch for batch, _ in whole[1]]
    line = line_of(batches, 2, 16, batches[-1].told_ns + 95 * 10**9)
    assert line.endswith("nothing new for 1:30")


def test_the_exported_study_is_the_same_to_optuna(whole, tmp_path):
    """As many trials, the same front, constraints where its plots look for them."""
    document, batches, url = whole
    path = tmp_path / "optuna.db"
    with Studies.open(url) as studies:
        count = export(studies, NAME, path)
        with pytest.raises(StudyError, match="is there already"):
            export(studies, NAME, path)
    assert count == sum(len(batch.trials) for batch, _ in batches)
    found = optuna.load_study(study_name=f"{NAME}, window 2 of 2", storage=f"sqlite:///{path}")
    front = {tuple(each["values"]) for each in document["front"]}
    assert {tuple(each.values) for each in found.best_trials} == front

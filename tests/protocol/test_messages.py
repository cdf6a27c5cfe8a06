import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.messages import (
    WORDS,
    Decision,
    Mode,
    NackCode,
    PnlReport,
    QuoteParameters,
    Status,
    utc_ns,
    utc_text,
)
from protocol.schema import generate
from tests.protocol.words import EXAMPLE, example_document, examples, params

ROOT = Path(__file__).parents[2]
DESIGNED = (
    "parameter_update no_update boundary boundary_done round vote decision ack nack heartbeat "
    "snapshot_request snapshot mode_change emergency_stop rearm pause resume journal_request "
    "journal_page status market_insight fill pnl_report order log"
)
CODES = (
    "E_VERSION E_SCHEMA E_FORBIDDEN E_REPLAY E_EXPIRED E_FENCED E_STALE_GENERATION "
    "E_STALE_VERSION E_BOUNDS E_STEP E_RISK_VETO E_CONFIDENCE E_NOT_CHOSEN E_BUSY E_HALTED E_MODE"
)


def test_the_words_and_codes_are_those_of_the_protocol():
    """Neither more nor fewer than the page says."""
    assert list(WORDS) == DESIGNED.split()
    assert [code.value for code in NackCode] == CODES.split()


@pytest.mark.parametrize("word", examples(), ids=lambda word: type(word).__name__)
def test_a_word_cannot_be_changed(word):
    """Messages are never changed after they are made."""
    for name in type(word).model_fields:
        with pytest.raises(ValidationError):
            setattr(word, name, None)


def test_the_position_bound_is_compared_as_decimals():
    """0.1 x 3 is 0.3 for a trader, though not for a float."""
    assert 0.1 * 3 > 0.3
    whole = {"spread_percentage": 1.0, "levels": 3, "base_quantity": 0.1}
    assert QuoteParameters(**whole, max_position=0.3)
    with pytest.raises(ValidationError, match="base_quantity x levels must be at most"):
        QuoteParameters(**whole, max_position=0.29999999)


def test_a_decision_cannot_end_before_it_begins():
    """An interval is ordered."""
    with pytest.raises(ValidationError, match="not_after must be at least not_before"):
        Decision(params=params(), basis=(), mode=Mode.PEER, not_before=2, not_after=1)


@given(st.integers(0, 2**63 - 1))
def test_moments_survive_their_text(time_ns):
    """Nanoseconds and all."""
    assert utc_ns(utc_text(time_ns)) == time_ns


def test_the_text_of_a_moment_is_the_specifications():
    """Whole seconds carry no fraction."""
    assert utc_ns("2024-01-20T15:30:45Z") == 1_705_764_645_000_000_000
    assert utc_text(1_705_764_645_000_000_000) == "2024-01-20T15:30:45Z"
    assert utc_text(1_705_764_645_120_000_000) == "2024-01-20T15:30:45.12Z"
    for wrong in ("2024-01-20T15:30:60Z", "0000-01-01T00:00:00Z", "2024-01-20 15:30:45Z", "Z"):
        with pytest.raises(ValueError):
            utc_ns(wrong)


def test_free_maps_hold_plain_values_only():
    """A status is free in its keys, not in its kind."""
    deep = [[[[[1]]]]]
    for wrong in ("\n", "x" * 201, float("nan"), 2**63, deep, {"\u00fc": 1}):
        with pytest.raises(ValidationError):
            Status.model_validate({"a": wrong})
    assert Status.model_validate({"a": {"b": [None, True, 1, 1.5, "x"]}})


def test_amounts_in_telemetry_are_decimal_text():
    """Money is never a float on the wire."""
    report = next(word for word in examples() if isinstance(word, PnlReport))
    fields = report.model_dump()
    for wrong in (1.5, "1e5", "01", ".5", "1.", "+1", "NaN", "", "1\n"):
        with pytest.raises(ValidationError):
            PnlReport.model_validate(fields | {"equity": wrong})


def test_the_schemas_match_the_types():
    """Other languages read the files; the files follow the types."""
    done = subprocess.run(
        [sys.executable, "-m", "protocol.schema.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_missing_or_left_over_schema_is_named(tmp_path):
    """The check sees all three, and writing repairs them."""
    assert len(generate.write(tmp_path)) == len(WORDS)
    assert generate.stale(tmp_path) == []
    (tmp_path / "vote.json").write_text("{}")
    (tmp_path / "ack.json").unlink()
    (tmp_path / "gossip.json").write_text("{}")
    assert generate.stale(tmp_path) == ["ack.json", "gossip.json", "vote.json"]
    assert generate.write(tmp_path) == ["ack.json", "gossip.json", "vote.json"]
    assert generate.stale(tmp_path) == []


def test_the_proposals_schema_names_the_documents_keys():
    """The generated contract lists exactly the keys of the example, all required."""
    schema = json.loads(generate.schemas()["parameter_update.json"])
    assert schema["required"] == list(example_document())
    assert schema["additionalProperties"] is False
    four = schema["$defs"]["QuoteParameters"]
    assert four["required"] == list(json.loads(EXAMPLE)["data"]["optimized_params"])

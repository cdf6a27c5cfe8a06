import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from protocol.errors import SecretError, SettingsError
from protocol.secret import read_secret
from protocol.settings import leaves, load_settings, schema, show, values


class Tuner(BaseModel):
    """A section."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    budget: int = Field(24, ge=1, description="candidates a boundary")
    step_limit: float = Field(0.25, gt=0, le=1)
    hours: float | None = Field(None, gt=0)
    eager: bool = False


class Whole(BaseModel):
    """A configuration with a section."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    seed: int = 1
    name: str = "x"
    tuner: Tuner = Tuner()


def load(file=None, environ=None, **flags):
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(Whole, file=file, environ=environ, flags=dotted)


def line(*arguments, **flags):
    """Return the one line of a refusal."""
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "counterpoint.toml"

    def write(text):
        path.write_text(text)
        return path

    return write


def test_flags_lie_over_the_environment_over_the_file_over_defaults(toml):
    """Each value knows where it came from."""
    file = toml("seed = 5\n[tuner]\nbudget = 30\nstep_limit = 1\nhours = 2.5\n")
    environ = {"COUNTERPOINT__TUNER__BUDGET": "40", "COUNTERPOINT__TUNER__EAGER": "yes"}
    loaded = load(file, environ, tuner__budget=50, seed=None)
    assert loaded.settings == Whole(
        seed=5, tuner=Tuner(budget=50, step_limit=1.0, hours=2.5, eager=True)
    )
    assert loaded.sources == {
        "seed": f"{file}:1",
        "name": "default",
        "tuner.budget": "flag tuner.budget",
        "tuner.step_limit": f"{file}:4",
        "tuner.hours": f"{file}:5",
        "tuner.eager": "environment COUNTERPOINT__TUNER__EAGER",
    }


def test_the_environment_speaks_text_and_is_parsed():
    """Numbers, truth, and nothing."""
    environ = {
        "COUNTERPOINT__SEED": " 7 ",
        "COUNTERPOINT__NAME": "1.5",
        "COUNTERPOINT__TUNER__STEP_LIMIT": "5e-1",
        "COUNTERPOINT__TUNER__HOURS": "null",
        "COUNTERPOINT__TUNER__EAGER": "off",
        "COUNTERPOINT_KERNELS": "elsewhere",
        "PATH": "x",
    }
    found = load(None, environ).settings
    assert found == Whole(seed=7, name="1.5", tuner=Tuner(step_limit=0.5, hours=None, eager=False))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sed = 1", "unknown setting sed, nearest is seed; rename or remove it"),
        ("[tuner]\nbuget = 1", "unknown setting tuner.buget, nearest is tuner.budget"),
        ("budget = 1", "unknown setting budget, nearest is tuner.budget"),
        ("[tunr]\nbudget = 1", "unknown table [tunr], nearest is [tuner]; rename it"),
        ("tuner = 3", "tuner must be a table, found 3; write [tuner]"),
        ("seed = 1.0", "seed must be an integer, found 1.0"),
        ("seed = '1'", "seed must be an integer, found '1'"),
        ("seed = true", "seed must be an integer, found True"),
        ("[tuner]\nbudget = 0", "tuner.budget must be at least 1, found 0"),
        ("[tuner]\nstep_limit = nan", "tuner.step_limit must be"),
        ("[tuner]\nstep_limit = inf", "tuner.step_limit must be"),
        ("[tuner]\neager = 1", "tuner.eager must be true or false, found 1"),
        ("[tuner]\nbudget = {a = 1}", "tuner.budget must be an integer, found {'a': 1}"),
        ("seed = ", "configuration must be TOML"),
        ("seed = 1\nseed = 2", "configuration must be TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_where(toml, text, found):
    """What was found, what is allowed, where."""
    file = toml(text)
    said = line(file)
    assert said.startswith(found)
    assert str(file) in said


def test_the_line_of_the_file_is_named(toml):
    """Also below other tables, and for dotted keys."""
    file = toml("# seed\n[other]\nbudget = 1\n[tuner]\n  budget = 0\n")
    assert "unknown table [other]" in line(file)
    assert f"({file}:5)" in line(toml("\n# seed\n\n[tuner]\n  budget = 0\n"))
    assert f"({file}:2)" in line(toml("\ntuner.budget = 0\n"))


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("TUNER__BUDGET", "many", "tuner.budget must be an integer, found 'many'"),
        ("TUNER__BUDGET", "1.5", "tuner.budget must be an integer, found '1.5'"),
        ("TUNER__BUDGET", "", "tuner.budget must be an integer, found ''"),
        ("TUNER__BUDGET", "9" * 5000, "tuner.budget must be an integer"),
        ("TUNER__HOURS", "9" * 5000, "tuner.hours must be"),
        ("TUNER__HOURS", "nan", "tuner.hours must be a number, found 'nan'"),
        ("TUNER__EAGER", "maybe", "tuner.eager must be true or false, found 'maybe'"),
        ("TUNER__STEP_LIMIT", "2", "tuner.step_limit must be in (0, 1], found 2"),
    ],
)
def test_a_wrong_variable_is_one_line_that_says_what_to_do(name, text, found):
    """Found, allowed, where, and how to mend it."""
    said = line(None, {f"COUNTERPOINT__{name}": text})
    assert said.startswith(found)
    assert f"(environment COUNTERPOINT__{name}); correct or unset COUNTERPOINT__{name}" in said


def test_unknown_variables_and_flags_are_refused_with_the_nearest_name():
    """A typing error in the environment is as silent as one in a file, so it is refused too."""
    assert line(None, {"COUNTERPOINT__TUNER__BUGET": "1"}) == (
        "unknown setting COUNTERPOINT__TUNER__BUGET, nearest is COUNTERPOINT__TUNER__BUDGET; "
        "rename or unset it (environment)"
    )
    assert "nearest is" in line(None, {"COUNTERPOINT__tuner__budget": "1"})
    assert "nearest is" in line(None, {"COUNTERPOINT__": "1"})
    assert line(tuner__buget=1) == (
        "unknown setting tuner.buget, nearest is tuner.budget; rename or remove it (flag)"
    )
    assert "give --set tuner.budget=VALUE another value" in line(tuner__budget="x")


def test_an_absent_file_is_refused_and_no_file_is_fine(tmp_path):
    """A named file must exist."""
    assert "No such file" in line(tmp_path / "absent.toml")
    assert load().settings == Whole()


def test_every_value_is_shown_with_its_source_and_can_be_read_again(toml):
    """What is shown is a configuration file."""
    loaded = load(None, {"COUNTERPOINT__TUNER__BUDGET": "40"}, name='quo"te')
    text = show(loaded)
    assert "# environment COUNTERPOINT__TUNER__BUDGET: candidates a boundary" in text
    assert load(toml(text)).settings == loaded.settings
    table = values(loaded)
    assert list(table) == list(leaves(Whole))
    assert table["tuner.budget"]["value"] == 40
    assert json.loads(schema(Whole))["$defs"]["Tuner"]["properties"]["budget"]["minimum"] == 1


def secret_file(folder, text="hush\n", mode=0o600):
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_secret_comes_from_the_environment_or_a_file_of_ones_own(tmp_path):
    """The variable, then the file it names, then the configured file."""
    path = secret_file(tmp_path)
    assert read_secret("KEY", environ={"KEY": "loud"}, file=path) == "loud"
    assert read_secret("KEY", environ={"KEY_FILE": str(path)}) == "hush"
    assert read_secret("KEY", environ={}, file=path) == "hush"
    path.chmod(0o444)
    assert read_secret("KEY", environ={"KEY_FILE": str(path)}) == "hush"


@pytest.mark.parametrize(
    ("mode", "text", "found"),
    [
        (0o644, "x", "must have mode 0600, found 0644; chmod 600"),
        (0o640, "x", "must have mode 0600, found 0640; chmod 600"),
        (0o600, "\n", "a secret must have 1 to"),
        (0o600, "x" * 70_000, "a secret must have 1 to"),
    ],
)
def test_a_secret_that_lies_open_or_is_empty_is_refused(tmp_path, mode, text, found):
    """Nothing of its content is printed."""
    with pytest.raises(SecretError, match=found):
        read_secret("KEY", environ={}, file=secret_file(tmp_path, text, mode))


def test_a_secret_that_is_nowhere_or_ambiguous_is_refused(tmp_path):
    """One line each."""
    both = {"KEY": "a", "KEY_FILE": "b"}
    for environ, file in (
        ({}, None),
        (both, None),
        ({"KEY": ""}, None),
        ({"KEY_FILE": str(secret_file(tmp_path, mode=0o666))}, None),
        ({}, tmp_path),
        ({}, Path("absent")),
    ):
        with pytest.raises(SecretError):
            read_secret("KEY", environ=environ, file=file)
    raw = tmp_path / "raw"
    raw.write_bytes(b"\xff")
    raw.chmod(0o600)
    with pytest.raises(SecretError, match="must be text"):
        read_secret("KEY", environ={}, file=raw)

"""docker-compose.yml as Compose reads it: no engine is needed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("exchange", "coordinator", "executor", "optimizer", "guardian", "desk")
pytestmark = pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="docker-compose is not installed"
)


def read(*profiles, **environment):
    """Return the services and secrets of the file under an environment."""
    asked = [word for each in profiles for word in ("--profile", each)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["docker-compose", *asked, "config", "--format", "json"],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_profiles_add_the_watchers_and_nothing_else():
    """Neither Prometheus nor Grafana is started unasked; Grafana brings Prometheus."""
    plain = set(read()["services"])
    assert plain == {"feed", "postgres", *OURS}
    assert set(read("monitoring")["services"]) == {*plain, "prometheus"}
    assert set(read("grafana")["services"]) == {*plain, "prometheus", "grafana"}


def test_a_cluster_is_there_for_who_asks_and_reaches_nobody_else():
    """Head and workers hold no secret and share one network with the optimizer; Ray is built in."""
    assert not read()["services"]["feed"]["build"]["args"]["MORE"]
    told = read("cluster", CLUSTER="head:6379")["services"]
    assert told["feed"]["build"]["args"]["MORE"] == ",cluster"
    assert told["optimizer"]["environment"]["COUNTERPOINT__OPTIMIZER__CLUSTER"] == "head:6379"
    inside = {name for name, each in told.items() if "cluster" in each.get("networks", {})}
    assert inside == {"head", "worker", "optimizer"}
    for name in ("head", "worker"):
        assert list(told[name]["networks"]) == ["cluster"], name
        assert "secrets" not in told[name], name


def test_every_service_is_bounded_and_opened_to_this_machine_alone():
    """Memory and processor have a limit, ports are of loopback, secrets are files."""
    told = read("monitoring", "grafana", "operator", "archive", "cluster")
    assert set(told["services"]) > {"prometheus", "grafana", "operator", "archive"}
    for name, each in told["services"].items():
        for port in each.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", name
        limits = each["deploy"]["resources"]["limits"]
        assert limits["memory"], name
        assert limits["cpus"], name
        if name in (*OURS, "head", "worker"):
            assert each["read_only"], name
        for key, value in each.get("environment", {}).items():
            if re.search(r"(PASSWORD|SECRET|TOKEN|KEY)(_|$)", key):
                assert key.endswith("_FILE"), (name, key)
                assert value.startswith("/run/secrets/"), (name, key)


def test_what_is_waited_for_is_well_first():
    """The desk waits for its database, whoever asks the exchange for that."""
    services = read()["services"]
    for name, other in (
        ("executor", "exchange"),
        ("guardian", "exchange"),
        ("desk", "postgres"),
        ("desk", "coordinator"),
    ):
        assert services[name]["depends_on"][other]["condition"] == "service_healthy", name
        assert services[other]["healthcheck"]["test"], other


def test_the_environment_chooses_mode_seats_feed_and_venue():
    """Each reaches every part that must agree."""
    chosen = read(MODE="peer", SEATS="3", VENUE="testnet", PACE="wall", SPEED="1", SYMBOL="A-B")
    for name in ("coordinator", "executor", "optimizer", "guardian", "desk"):
        told = chosen["services"][name]["environment"]
        assert told["COUNTERPOINT__COORDINATOR__MODE"] == "peer"
        assert told["COUNTERPOINT__RUN__OPTIMIZERS"] == "3"
        assert told["COUNTERPOINT__VENUE__URL"] == "testnet"
        assert told["COUNTERPOINT__VENUE__PACE"] == "wall"
        assert told["COUNTERPOINT__VENUE__SYMBOL"] == "A-B"
    keys = chosen["services"]["optimizer"]["environment"]
    assert [f"COUNTERPOINT_KEY_OPTIMIZER_{n}_FILE" in keys for n in (1, 2, 3)] == [True] * 3


def test_prometheus_asks_services_that_there_are():
    """Each target is a service, on a network that Prometheus is on too."""
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    targets = set(re.findall(r"^ +- (\w+):\d+$", text, re.MULTILINE))
    targets |= set(re.findall(r"names: \[(\w+)\]", text))
    services = read("monitoring")["services"]
    assert targets == set(OURS)
    watcher = set(services["prometheus"]["networks"])
    for name in targets:
        assert watcher & set(services[name]["networks"]), name

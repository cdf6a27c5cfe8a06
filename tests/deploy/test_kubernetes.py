"""The manifests of Kubernetes: valid, and the same house as that of docker-compose.yml."""

import re
import shutil
import subprocess

import pytest
import yaml

from agents.cli.keys_stack import make_stack_keys
from protocol.keys import new_keys
from tests.deploy.tools import ROOT

kubernetes_validate = pytest.importorskip("kubernetes_validate")

FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
FOUND = [
    each for path in FOLDER.glob("*.yaml") for each in yaml.safe_load_all(path.read_text("utf-8"))
]
VERSION = "1.30"


def of(kind):
    """Return the objects of a kind by their names."""
    return {each["metadata"]["name"]: each for each in FOUND if each["kind"] == kind}


def pods():
    """Return the pods by the names of what makes them."""
    found = of("Deployment") | of("StatefulSet")
    return {name: each["spec"]["template"]["spec"] for name, each in found.items()}


def containers():
    """Return all containers by their names."""
    return {each["name"]: each for pod in pods().values() for each in pod["containers"]}


def test_every_object_is_as_kubernetes_has_it():
    """By the schemas of an older release too; a key that is none is refused."""
    assert len(FOUND) > 20
    for each in FOUND:
        for version in (VERSION, kubernetes_validate.latest_version()):
            kubernetes_validate.validate(each, version, strict=True)


def test_settings_parts_and_limits_are_those_of_compose():
    """What is changed there must be changed here."""
    told = {**COMPOSE["x-settings"], **COMPOSE["x-hold"]}
    usual = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in told.items()}
    assert of("ConfigMap")["settings"]["data"] == usual
    services = COMPOSE["services"]
    usually = {"", "monitoring"}
    kept = {name for name, each in services.items() if usually & set(each.get("profiles", [""]))}
    assert set(containers()) == kept - {"feed"}
    for name, each in containers().items():
        theirs = services[name]["deploy"]["resources"]["limits"]
        assert each["resources"]["limits"]["cpu"] == theirs["cpus"], name
        assert each["resources"]["limits"]["memory"] == f"{theirs['memory']}i", name
        wanted = services[name].get("environment") or {}
        ours = {one["name"] for one in each.get("env", ())} | (
            set(usual) if "envFrom" in each else set()
        )
        missing = {key for key in wanted if key != "<<"} - ours - {"FEED", "SPEED"}
        assert not missing, (name, missing)


def test_nobody_has_rights_and_every_volume_and_key_is_there(tmp_path):
    """Pods run as users without rights; what they mount is claimed here or made by secrets.sh."""
    put = (FOLDER / "secrets.sh").read_text(encoding="utf-8")
    made = dict(re.findall(r"^put (\S+) (.+)$", put, re.MULTILINE))
    maps = {*of("ConfigMap"), "prometheus"}
    for name, pod in pods().items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        for each in (*pod["containers"], *pod.get("initContainers", ())):
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert not each["securityContext"]["allowPrivilegeEscalation"], name
            mounted = {one["name"] for one in each["volumeMounts"]}
            assert mounted <= {one["name"] for one in pod["volumes"]}, name
        for each in pod["volumes"]:
            if "secret" in each:
                assert each["secret"]["secretName"] in made, name
            if "persistentVolumeClaim" in each:
                assert each["persistentVolumeClaim"]["claimName"] in of("PersistentVolumeClaim")
            if "configMap" in each:
                assert each["configMap"]["name"] in maps
    new_keys(tmp_path)
    make_stack_keys(tmp_path, tmp_path)
    for files in made.values():
        for file in files.split():
            assert (tmp_path / file).is_file(), file


def test_prometheus_asks_services_that_there_are():
    """Its configuration is that of the containers; each target has a name and a port here."""
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    targets = [*re.findall(r"^ +- (\w+):(\d+)$", text, re.MULTILINE), ("optimizer", "9102")]
    shown = {name: each["ports"] for name, each in containers().items() if "ports" in each}
    for name, port in targets:
        service = of("Service")[name]["spec"]
        assert {"name": "metrics", "port": int(port)} in service["ports"], name
        assert shown[name] == [{"name": "metrics", "containerPort": int(port)}], name
        assert service["selector"]["app"] in pods(), name


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_secrets_are_told_as_kubectl_takes_them(tmp_path):
    """The script's own words, to a kubectl that only shows what it would do."""
    new_keys(tmp_path)
    make_stack_keys(tmp_path, tmp_path)
    seen = tmp_path / "kubectl"
    seen.write_text('#!/bin/sh\n[ "$1" = apply ] && exec cat\nexec kubectl "$@"\n', "ascii")
    seen.chmod(0o755)
    done = subprocess.run(
        [FOLDER / "secrets.sh", tmp_path],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "KUBECTL": str(seen), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = {each["metadata"]["name"]: each["data"] for each in _documents(done.stdout)}
    assert set(told["guardian-keys"]) == {"guardian.api-key", "guardian.api-secret"}
    assert set(told) == {
        each["secret"]["secretName"]
        for p in pods().values()
        for each in p["volumes"]
        if "secret" in each
    }


def _documents(text):
    """Return YAML documents that stand one after the other."""
    return [yaml.safe_load(each) for each in re.split(r"(?m)^(?=apiVersion)", text) if each.strip()]

"""The templates of Terraform: parsed, and closed. That they work in a cloud is not shown."""

import re

import pytest
import yaml

from tests.deploy.tools import ROOT

hcl2 = pytest.importorskip("hcl2")
FOLDER = ROOT / "deploy" / "terraform"
CLOUDS = {"aws": "aws_instance", "azure": "azurerm_linux_virtual_machine"}
OWN = {"var", "data", "path", "ingress", "local"}


def texts(cloud):
    """Return every file of a cloud."""
    return [path.read_text(encoding="utf-8") for path in sorted((FOLDER / cloud).glob("*.tf"))]


def blocks(cloud, kind):
    """Return the blocks of a kind by their names."""
    found = {}
    for text in texts(cloud):
        for block in hcl2.loads(text).get(kind, ()):
            found |= {name.strip('"'): body for name, body in block.items() if name[:2] != "__"}
    return found


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_template_is_read_and_whatever_it_names_is_there(cloud):
    """Every variable has a description and is used; no resource is named that is none."""
    text = re.sub(r"(?m)#.*$", "", "\n".join(texts(cloud)))
    told = blocks(cloud, "variable")
    assert all(body["description"] for body in told.values())
    assert set(told) == set(re.findall(r"\bvar\.(\w+)", text))
    made = {
        f"{kind}.{name}"
        for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE)
    }
    prefix = CLOUDS[cloud].partition("_")[0]
    named = set(re.findall(rf"(?<!data\.)\b({prefix}_\w+\.\w+)\.", text))
    assert named
    assert named <= made
    assert any(each.startswith(CLOUDS[cloud]) for each in made)
    assert {"address", "windows"} <= set(blocks(cloud, "output"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nobody_but_the_operator_comes_in(cloud):
    """What comes in is SSH from a network that must be told, and the bus from hosts that are."""
    main = (FOLDER / cloud / "main.tf").read_text(encoding="utf-8")
    inward = re.findall(r"(?ms)^  (?:dynamic \")?(?:ingress|security_rule)\"? \{.*?^  \}", main)
    assert len(inward) == 2
    for rule in inward:
        assert "0.0.0.0/0" not in rule
        assert re.search(r"var\.operator_cidr|var\.bus_cidrs", rule), rule
        assert re.search(r'(to_port +=|destination_port_range +=) "?(22|7304|7301-7304)"?', rule)
    told = blocks(cloud, "variable")
    assert "default" not in told["operator_cidr"]
    assert "validation" in told["operator_cidr"]
    assert "password" not in re.sub("disable_password_authentication", "", main)
    if cloud == "aws":
        assert main.count("encrypted") == 2


def test_the_first_start_is_read_too():
    """What the machines do when they begin is a document, with no secret in it."""
    text = (FOLDER / "start.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {"disk", "user"}
    for cloud in CLOUDS:
        main = (FOLDER / cloud / "main.tf").read_text(encoding="utf-8")
        given = re.search(r'templatefile\("\$\{path.module\}/\.\./start.yaml", \{ (.*?) \}', main)[
            1
        ]
        assert set(re.findall(r"(\w+) =", given)) == {"disk", "user"}
    assert {"docker.io", "docker-compose", "git"} <= set(told["packages"])

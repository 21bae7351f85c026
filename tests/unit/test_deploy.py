"""What is in deploy/ for other ways to run the farm says nothing that the farm does not know."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from farm.cli import Commands
from farm.settings import Settings

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
KNOWN = {"FARM_ID", *(f"FARM_{field.upper()}" for field in Settings.model_fields)}


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def test_compose_knows_only_settings_and_commands_that_there_are():
    (compose,) = documents(ROOT / "deploy/compose.yml")
    ours = {name: service for name, service in compose["services"].items() if service["image"] == "farm"}
    assert ours.keys() == {"dispatcher", "worker", "flower", "hook"}
    for name, service in ours.items():
        assert {key for key in service["environment"] if key.startswith("FARM_")} <= KNOWN
        if "entrypoint" not in service:
            assert service["command"][0] in Commands.places, name
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or source.startswith("/") or (ROOT / "deploy" / source).exists()


def test_the_pages_of_compose_find_the_artifacts_that_its_dispatcher_keeps():
    (compose,) = documents(ROOT / "deploy/compose.yml")
    for name in ("dispatcher", "flower"):
        assert "artifacts:/var/lib/farm/artifacts" in compose["services"][name]["volumes"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_know_only_settings_and_commands_that_there_are(path):
    for document in documents(path):
        keys = {**document.get("data", {}), **document.get("stringData", {})}
        assert {key for key in keys if key.startswith("FARM_")} <= KNOWN
        template = document.get("spec", {}).get("template", {}).get("spec", {})
        mounts = {volume["name"] for volume in template.get("volumes", ())}
        mounts |= {claim["metadata"]["name"] for claim in document.get("spec", {}).get("volumeClaimTemplates", ())}
        for container in template.get("containers", ()):
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= mounts
            if container["image"] == "farm" and "command" not in container:
                assert container["args"][0] in Commands.places


def test_every_manifest_is_listed():
    (kustomization,) = documents(ROOT / "deploy/kubernetes/kustomization.yaml")
    listed = {*kustomization["resources"], "kustomization.yaml", "secret.example.yaml"}
    assert listed == {path.name for path in MANIFESTS}


def test_units_are_what_systemd_takes(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not there")
    farm = tmp_path / "farm"
    farm.write_text("#!/bin/sh\n")
    farm.chmod(0o755)
    units = []
    for unit in (ROOT / "deploy/systemd").glob("*.service"):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/farm/.venv/bin/farm", str(farm)))
        units.append(copy)
    done = subprocess.run([program, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(units) == 2

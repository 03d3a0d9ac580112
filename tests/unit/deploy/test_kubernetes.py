"""The Kubernetes manifests: they fit each other, the image and the node."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.config.load import check_text
from tidegate.node.data import GRACE_S

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"


def manifest(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def pod() -> Any:
    return manifest("deployment.yaml")["spec"]["template"]["spec"]


def container() -> Any:
    [only] = pod()["containers"]
    return only


def test_every_manifest_is_listed() -> None:
    listed = set(manifest("kustomization.yaml")["resources"])
    assert listed == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}


def test_a_volume_has_one_pod_at_a_time() -> None:
    assert manifest("volume.yaml")["spec"]["accessModes"] == ["ReadWriteOnce"]
    spec = manifest("deployment.yaml")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_the_pod_has_no_rights_that_it_does_not_need() -> None:
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    security = pod()["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    # With `Always` the files of keys become readable for the group, and the node refuses them.
    assert security["fsGroupChangePolicy"] == "OnRootMismatch"


def test_probes_and_service_reach_the_port_of_the_node() -> None:
    [port] = container()["ports"]
    assert container()["args"][-1] == str(port["containerPort"])
    for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
        asked = container()[f"{probe}Probe"]["httpGet"]
        assert asked == {"path": path, "port": port["name"]}
    [outer] = manifest("service.yaml")["spec"]["ports"]
    assert outer["targetPort"] == port["name"]


def test_there_is_time_to_end_what_is_under_way() -> None:
    wait = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > wait + GRACE_S


def test_every_mount_has_a_volume_and_state_a_lasting_one() -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert set(mounts) == set(volumes)
    assert mounts["state"] == "/var/lib/tidegate"
    claim = volumes["state"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest("volume.yaml")["metadata"]["name"]
    config = volumes["config"]["configMap"]["name"]
    assert config == manifest("configmap.yaml")["metadata"]["name"]


def test_the_configuration_is_right() -> None:
    content = manifest("configmap.yaml")["data"]["tidegate.yaml"].encode()
    given = {entry["name"]: "x" for entry in container()["env"]}
    assert check_text(content, "tidegate.yaml", given, folder=FOLDER).problems == ()


def test_kubectl_builds_them() -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("`kubectl` is not installed")
    built = subprocess.run([program, "kustomize", str(FOLDER)], check=True, capture_output=True)
    kinds = {document["kind"] for document in yaml.safe_load_all(built.stdout)}
    assert kinds == {"ConfigMap", "PersistentVolumeClaim", "Deployment", "Service"}

"""What deploy/ and the Dockerfile say is possible, and no more than is needed."""

import fnmatch
import re

import pytest
import yaml

from plumbline.reconcile.folder import FolderStore
from tests.docs.pages import ROOT
from tests.docs.test_blocks import parsed
from tests.servers.controlplane.clients import KubectlError

CRONJOB = ROOT / "deploy/kubernetes/cronjob"
SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def documents():
    return {d["kind"]: d for d in yaml.safe_load_all((CRONJOB / "cronjob.yaml").read_text())}


@pytest.fixture
def pod():
    return documents()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_cronjob_has_no_way_to_the_api_server(pod):
    assert pod["automountServiceAccountToken"] is False
    assert documents()["ServiceAccount"]["automountServiceAccountToken"] is False
    tokens = [
        source["serviceAccountToken"]["audience"]
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    ]
    assert tokens == ["sts.amazonaws.com"]


def test_the_cronjob_is_confined(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == SECURITY
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    written = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert written == {"/var/lib/plumbline", "/tmp"}
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert (str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"])) == user.groups()


def test_two_passes_never_run_at_a_time():
    spec = documents()["CronJob"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0


def test_the_cronjob_calls_what_there_is(pod):
    (container,) = pod["containers"]
    parsed(container["args"])
    paths = dict(arg.removeprefix("--").split("=") for arg in container["args"] if "=/" in arg)
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert paths == {"baselines": mounted["baselines"], "state": mounted["state"]}
    assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}


def test_the_example_baselines_are_all_there_and_right(tmp_path):
    kustomization = yaml.safe_load((CRONJOB / "kustomization.yaml").read_text())
    (generated,) = kustomization["configMapGenerator"]
    assert sorted(generated["files"]) == sorted(f"baselines/{p.name}" for p in (CRONJOB / "baselines").iterdir())
    assert all((CRONJOB / file).exists() for file in kustomization["resources"])
    found = FolderStore(CRONJOB / "baselines", tmp_path).load()
    assert found.invalid == ()
    assert (list(found.landscapes), list(found.baselines)) == (["default"], ["platform/production"])


@pytest.mark.cluster
def test_a_real_api_server_takes_the_cronjob_and_its_pod(control_plane):
    control_plane.kubectl("apply", "--server-side", "-f", str(CRONJOB / "namespace.yaml"))
    text = control_plane.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(CRONJOB))
    assert "cronjob.batch/plumbline-run serverside-applied (server dry run)" in text
    # The restricted pod security standard is enforced for pods, so one is asked for. There is no service account yet.
    control_plane.kubectl("create", "serviceaccount", "plumbline-run", "-n", "plumbline")
    pod = documents()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    whole = {"apiVersion": "v1", "kind": "Pod", **pod}
    whole["metadata"] = {"name": "first", "namespace": "plumbline"}
    command = ["create", "--dry-run=server", "-f", "-"]
    try:
        assert "pod/first created" in control_plane.kubectl(*command, stdin=yaml.safe_dump(whole))
        del whole["spec"]["securityContext"]
        with pytest.raises(KubectlError, match="violates PodSecurity"):
            control_plane.kubectl(*command, stdin=yaml.safe_dump(whole))
    finally:
        control_plane.kubectl("delete", "namespace", "plumbline", "--wait=false")


# The image


def test_the_image_gets_what_it_copies():
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [p.removeprefix("!") for p in patterns if p.startswith("!")]
    copied = [
        source.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert set(copied) == set(sent)
    assert all((ROOT / source).exists() for source in copied)
    assert not any(fnmatch.fnmatch("sandbox/demo.py", pattern) for pattern in sent)


def test_the_image_builds_with_the_locked_backend():
    locked = re.search(
        r"^(setuptools==\S+) \\\n((?: +--hash=\S+(?: \\)?\n)+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    line = re.search(r"'(setuptools==\S+)((?: --hash=\S+)+)'", (ROOT / "Dockerfile").read_text())
    assert line[1] == locked[1]
    assert sorted(line[2].split()) == sorted(re.findall(r"--hash=\S+", locked[2]))


def test_the_image_holds_nothing_of_the_sandbox():
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-run.lock").read_text(), re.MULTILINE))
    assert {"botocore", "pydantic", "sqlalchemy"} <= names
    assert not names & {"moto", "pytest", "mypy", "ruff", "werkzeug"}

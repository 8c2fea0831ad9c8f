"""What goes to other machines, as far as it can be held to something without them: the image and the manifest."""

import json
import re
import shlex

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from wesadlib import cli
from wesadlib.serving.configuration import HttpOptions, read_configuration
from wesadlib.serving.process import INGRESSES, RAY


def strict(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT, COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
QUANTITIES = strict(["cpu", "memory"], cpu=TEXT, memory={"type": "string", "pattern": r"^\d+[MG]i$"})
SECRET = strict(["secretKeyRef"], secretKeyRef=strict(["name", "key"], name=TEXT, key=TEXT))
VARIABLE = {
    "oneOf": [
        strict(["name", "value"], name=TEXT, value=TEXT),
        strict(["name", "valueFrom"], name=TEXT, valueFrom=SECRET),
    ]
}
PROBE = strict(
    ["httpGet"],
    httpGet=strict(["path", "port"], path=TEXT, port=COUNT),
    periodSeconds=COUNT,
    timeoutSeconds=COUNT,
    failureThreshold=COUNT,
)
CONTAINER = strict(
    ["name", "image", "resources"],
    name=TEXT,
    image=TEXT,
    env={"type": "array", "items": VARIABLE},
    ports={"type": "array", "items": strict(["containerPort"], containerPort=COUNT, name=TEXT)},
    resources=strict(["requests", "limits"], requests=QUANTITIES, limits=QUANTITIES),
    securityContext={"type": "object"},
    readinessProbe=PROBE,
    volumeMounts={
        "type": "array",
        "items": strict(["name", "mountPath"], name=TEXT, mountPath=TEXT, readOnly={"type": "boolean"}),
    },
)
POD = strict(["containers"], containers={"type": "array", "minItems": 1, "items": CONTAINER}, volumes={"type": "array"})
START = {"type": "object", "additionalProperties": {"type": "string"}}
TEMPLATE = strict(["spec"], spec=POD)
#: Of `ray.io/v1` what a RayService has to have, and of the rest what the manifest uses.
RAY_SERVICE = strict(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayService"},
    metadata=strict(["name"], name={"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}),
    spec=strict(
        ["serveConfigV2", "rayClusterConfig"],
        serveConfigV2=TEXT,
        rayClusterConfig=strict(
            ["headGroupSpec", "workerGroupSpecs"],
            rayVersion=TEXT,
            authOptions=strict(["mode"], mode={"enum": ["token", "disabled"]}, secretName=TEXT),
            headGroupSpec=strict(["rayStartParams", "template"], rayStartParams=START, template=TEMPLATE),
            workerGroupSpecs={
                "type": "array",
                "minItems": 1,
                "items": strict(
                    ["groupName", "rayStartParams", "template"],
                    groupName=TEXT,
                    replicas=COUNT,
                    minReplicas=COUNT,
                    maxReplicas=COUNT,
                    rayStartParams=START,
                    template=TEMPLATE,
                ),
            },
        ),
    ),
)


@pytest.fixture
def manifest(repository):
    return yaml.safe_load((repository / "deploy" / "kuberay.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def cluster(manifest):
    return manifest["spec"]["rayClusterConfig"]


@pytest.fixture
def served(manifest, tmp_path):
    path = tmp_path / "serve.yaml"
    path.write_text(manifest["spec"]["serveConfigV2"], encoding="utf-8")
    return read_configuration(path)


def containers(cluster):
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [container for group in groups for container in group["template"]["spec"]["containers"]]


def test_the_manifest_is_a_ray_service(manifest):
    jsonschema.validate(manifest, RAY_SERVICE, jsonschema.Draft202012Validator)


def test_what_it_serves_is_what_params_serve_says_but_for_place_token_and_replicas(served, repository):
    ours = read_configuration(repository / "params" / "serve.yaml")
    changes = {"max_surge_percent": 0, "ray_actor_options": {"num_cpus": 1}}
    assert served.http == HttpOptions(host="0.0.0.0", port=8000)
    assert served.arguments == ours.arguments.model_copy(update={"bundle": "/bundle", "token_variable": "WESAD_TOKEN"})
    assert served.replicas == ours.replicas.model_copy(update=changes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rays_own_tools_read_the_same_from_it(manifest, served):
    from ray.serve.schema import ServeDeploySchema

    values = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    taken = ServeDeploySchema.model_validate(values)
    (application,) = taken.applications
    (deployment,) = application.deployments
    assert (taken.http_options.host, taken.http_options.port) == (served.http.host, served.http.port)
    assert (application.name, application.route_prefix) == ("wesad", "/")
    assert (deployment.name, deployment.num_replicas) == (served.replicas.name, served.replicas.num_replicas)
    # Ray takes unknown names without a word.
    assert set(values) <= set(ServeDeploySchema.model_fields)
    assert set(values["applications"][0]) <= set(type(application).model_fields)


def test_the_token_comes_from_a_secret_under_the_name_that_the_app_reads_and_is_written_nowhere(
    cluster, served, repository
):
    for container in containers(cluster):
        (variable,) = [one for one in container["env"] if one["name"] == served.arguments.token_variable]
        assert variable["valueFrom"] == {"secretKeyRef": {"name": "wesad-token", "key": "token"}}
    # Whoever reaches one of Ray's own ports can have any code run.
    assert cluster["authOptions"] == {"mode": "token", "secretName": "wesad-ray-token"}
    text = (repository / "deploy" / "kuberay.yaml").read_text(encoding="utf-8")
    assert not re.search(r"\b[0-9a-f]{16,}\b", text)


def test_rays_switches_are_those_of_wesad_serve_but_for_loopback_and_the_end(cluster):
    # Across machines nothing can be on loopback; and who balances the load there needs the time to see an end.
    left = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"}
    wanted = {name: value for name, value in (RAY | INGRESSES["haproxy"]).items() if name not in left}
    for container in containers(cluster):
        given = {one["name"]: one.get("value") for one in container["env"]}
        assert not left & set(given)
        assert {name: given.get(name) for name in wanted} == wanted
        # No path or query to a machine's log.
        assert given["RAY_SERVE_HAPROXY_LOG_TARGET"] == "/nowhere"


def test_each_replica_has_a_node_with_the_bundle_that_is_asked_whether_it_is_ready(cluster, served):
    (group,) = cluster["workerGroupSpecs"]
    assert group["replicas"] == group["minReplicas"] == served.replicas.num_replicas
    assert int(group["rayStartParams"]["num-cpus"]) == served.replicas.ray_actor_options["num_cpus"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["readinessProbe"]["httpGet"] == {"path": "/ready", "port": served.http.port}
    (mounted,) = worker["volumeMounts"]
    assert (mounted["mountPath"], mounted["readOnly"]) == (served.arguments.bundle, True)
    assert mounted["name"] in [volume["name"] for volume in group["template"]["spec"]["volumes"]]


def test_the_manifests_ray_is_the_locks(cluster, repository):
    lock = (repository / "requirements.lock").read_text(encoding="utf-8")
    assert cluster["rayVersion"] == re.search(r"^ray(?:\[.*?\])?==([\d.]+)", lock, re.MULTILINE)[1]


def test_the_images_command_is_one_that_the_command_line_takes_and_listens_with_a_token_only(repository, monkeypatch):
    text = (repository / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    program, *arguments = json.loads(re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)[1])
    assert program == "wesad"
    seen = []
    monkeypatch.setattr("wesadlib.serving.serve", lambda read: seen.append(read()))
    monkeypatch.chdir("/")
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (started,) = seen
    assert (started.http.host, started.bundle) == ("0.0.0.0", "/bundle")
    assert started.arguments.token_variable == "WESAD_TOKEN"
    # The line that starts it hands the token on by that name.
    run = re.sub(r"\\\n#", " ", text)
    words = shlex.split(re.search(r"docker run (.*)$", run, re.MULTILINE)[1])
    assert words[words.index("-e") + 1] == "WESAD_TOKEN"
    assert any(word.endswith(":/bundle:ro") for word in words)

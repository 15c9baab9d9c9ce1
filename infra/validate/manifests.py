"""Hold built manifests against what no schema of Kubernetes knows: ``python infra/validate/manifests.py FILE``.

The file is what ``kubectl kustomize`` has built. Resources of operators are held against the operators' own schemas
(infra/kubernetes/schemas); what is referred to must be there.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

SCHEMAS = Path(__file__).parents[1] / "kubernetes" / "schemas"
GIVEN = {
    "ssi", "archive-sink", "archive-reader", "clickhouse-tls", "kafka-cluster-ca-cert",
    "connector", "prices", "foreign", "indices", "alerts", "sink", "gateway", "topics", "tools",
}  # fmt: skip
"""Secrets that somebody else makes: whoever deploys, and Strimzi's operator, one for each account. docs/deploy.md lists them."""
Resource = dict[str, Any]


def complaints(resources: list[Resource]) -> Iterator[str]:
    """What is wrong with them, in words."""
    there = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
    if len(there) != len(resources):
        yield "two resources of a kind have the same name"
    for resource in resources:
        name = f"{resource['kind']} {resource['metadata']['name']}"
        yield from (f"{name}: {said}" for said in _of_operator(resource))
        for kind, other in _referred(resource):
            if (kind, other) not in there and not (kind == "Secret" and other in GIVEN):
                yield f"{name} refers to {kind} {other}, which is not there"
        for container in _containers(resource):
            if container["image"].endswith(":latest") or ":" not in container["image"].rpartition("/")[2]:
                yield f"{name}: {container['image']} is no version"
            if "readOnlyRootFilesystem" not in str(container.get("securityContext")):
                yield f"{name}: may write to its root"
            if "limits" not in container.get("resources", {}):
                yield f"{name}: its memory has no limit"


def _of_operator(resource: Resource) -> Iterator[str]:
    group, _, version = resource["apiVersion"].rpartition("/")
    file = SCHEMAS / f"{group}_{version}_{resource['kind']}.json"
    if file.exists():
        for error in jsonschema.Draft202012Validator(_strict(json.loads(file.read_text()))).iter_errors(resource):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
    elif "." in group and not group.endswith(".k8s.io"):
        yield f"there is no schema of {resource['apiVersion']}"


def _strict(schema: Any) -> Any:
    """The same schema, refusing what it does not name, as a server does that is asked to be strict."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(part) for key, part in schema.items()}
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "type" in schema and not open_ended:
        made["additionalProperties"] = False
    return made


def _containers(resource: Resource) -> Iterator[Resource]:
    if resource["kind"] in ("Deployment", "StatefulSet", "Job"):
        yield from resource["spec"]["template"]["spec"]["containers"]


def _referred(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource["kind"] in ("Deployment", "StatefulSet", "Job"):
        pod = resource["spec"]["template"]["spec"]
        for volume in pod.get("volumes", []):
            if "secret" in volume:
                yield "Secret", volume["secret"]["secretName"]
        for container in pod["containers"]:
            for source in container.get("envFrom", []):
                yield "ConfigMap", source["configMapRef"]["name"]
    if "serviceName" in resource["spec" if "spec" in resource else "metadata"]:
        yield "Service", resource["spec"]["serviceName"]
    if target := resource.get("spec", {}).get("scaleTargetRef"):
        yield target["kind"], target["name"]
    if resource["kind"] == "TriggerAuthentication":
        for reference in resource["spec"]["secretTargetRef"]:
            yield "Secret", reference["name"]


def read(text: str) -> list[Resource]:
    """The resources in a file."""
    return [resource for resource in yaml.safe_load_all(text) if resource]


if __name__ == "__main__":
    wrong = list(complaints(read(Path(sys.argv[1]).read_text())))
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(1 if wrong else 0)

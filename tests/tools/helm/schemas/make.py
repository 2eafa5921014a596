#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes strict JSON schemas for kubeconform.

    make.py OUT MODULE=DIR...

The CRDs themselves are copied to OUT/crds, for the tests that run an API server.

MODULE=DIR names a Go module and where it was unpacked. Kubernetes' own schemas
come from its OpenAPI description, those of custom resources from their CRDs.
Strict means: a field that the schema does not know is an error.
"""
import json
import os
import shutil
import sys

import yaml

# Kinds whose schema is taken from Kubernetes' OpenAPI description.
KUBERNETES = {
    "v1": ["ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "Namespace",
           "PersistentVolumeClaim"],
    "apps/v1": ["DaemonSet", "StatefulSet", "Deployment"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
    "storage.k8s.io/v1": ["StorageClass"],
}

CRDS = {
    "github.com/prometheus-operator/prometheus-operator": [
        "example/prometheus-operator-crd/monitoring.coreos.com_%s.yaml" % name
        for name in ("servicemonitors", "podmonitors", "prometheusrules", "prometheuses")],
    "k8s.io/autoscaler/vertical-pod-autoscaler": ["deploy/vpa-v1-crd-gen.yaml"],
    "sigs.k8s.io/gateway-api": ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
}

INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def file_name(kind, group_version):
    group, _, version = group_version.rpartition("/")
    short = group.split(".")[0]
    return "-".join(part for part in (kind.lower(), short, version) if part) + ".json"


def strict(node):
    """The schema, with unknown fields forbidden wherever fields are listed."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return dict(INT_OR_STRING)
    out = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: strict(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            out[key] = strict(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            out[key] = strict(value)
        elif key in ("type", "enum", "required", "pattern", "minimum", "maximum", "minLength",
                     "maxLength", "minItems", "maxItems", "$ref"):
            out[key] = value
    if ("properties" in out and "additionalProperties" not in out
            and not node.get("x-kubernetes-preserve-unknown-fields")):
        out["additionalProperties"] = False
    return out


def write(out, kind, group_version, schema):
    with open(os.path.join(out, file_name(kind, group_version)), "w", encoding="utf-8") as f:
        json.dump(schema, f)


def pin(schema, kind, group_version):
    schema["properties"]["apiVersion"] = {"enum": [group_version]}
    schema["properties"]["kind"] = {"enum": [kind]}
    schema["properties"].setdefault("metadata", {"type": "object"})
    schema["required"] = sorted(set(schema.get("required", [])) | {"apiVersion", "kind", "metadata"})
    return schema


def from_kubernetes(out, directory):
    with open(os.path.join(directory, "api/openapi-spec/swagger.json"), encoding="utf-8") as f:
        definitions = json.load(f)["definitions"]
    by_kind = {}
    for name, definition in definitions.items():
        for gvk in definition.get("x-kubernetes-group-version-kind", []):
            version = "/".join(part for part in (gvk["group"], gvk["version"]) if part)
            by_kind[version, gvk["kind"]] = name
    clean = {}
    for name, definition in definitions.items():
        if name.endswith(".IntOrString"):
            clean[name] = dict(INT_OR_STRING)
        elif name.endswith(".Quantity"):
            clean[name] = {"type": ["string", "number"]}
        else:
            clean[name] = strict(definition)

    def reach(node, seen):
        if isinstance(node, dict):
            ref = node.get("$ref")
            if ref:
                name = ref.rsplit("/", 1)[1]
                if name not in seen:
                    seen.add(name)
                    reach(clean[name], seen)
            for value in node.values():
                reach(value, seen)
        elif isinstance(node, list):
            for value in node:
                reach(value, seen)
        return seen

    for version, kinds in KUBERNETES.items():
        for kind in kinds:
            schema = json.loads(json.dumps(clean[by_kind[version, kind]]))
            pin(schema, kind, version)
            schema["definitions"] = {name: clean[name] for name in sorted(reach(schema, set()))}
            write(out, kind, version, schema)


def metadata_schema():
    strings = {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": "object", "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "namespace": {"type": "string"},
                           "labels": strings, "annotations": strings}}


def from_crds(out, paths):
    for path in paths:
        with open(path, encoding="utf-8") as f:
            for crd in yaml.load_all(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if not crd or crd.get("kind") != "CustomResourceDefinition":
                    continue
                for version in crd["spec"]["versions"]:
                    group_version = "%s/%s" % (crd["spec"]["group"], version["name"])
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = metadata_schema()
                    kind = crd["spec"]["names"]["kind"]
                    write(out, kind, group_version, pin(schema, kind, group_version))
        shutil.copy(path, os.path.join(out, "crds"))


def main():
    out, modules = sys.argv[1], dict(arg.split("=", 1) for arg in sys.argv[2:])
    os.makedirs(os.path.join(out, "crds"))
    from_kubernetes(out, modules["k8s.io/kubernetes"])
    for module, paths in CRDS.items():
        from_crds(out, [os.path.join(modules[module], path) for path in paths])


if __name__ == "__main__":
    main()

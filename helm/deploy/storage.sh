# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# What the preflight asks of the cluster's storage: every StorageClass that the rendered charts
# name is there, is made by this release, or is the cluster's default.
# Sourced by preflight.sh, whose words (ok, fail) it says; never run.

check_storage() {
  local class made wanted
  [[ $mode != agent-only ]] || return 0
  made=$(rendered_values StorageClass name)
  for class in $made; do check_own_class "$class"; done
  wanted=$(rendered_values StatefulSet storageClassName)
  if [[ -z $wanted ]] && grep -q '^  volumeClaimTemplates:' "$rendered"; then check_default_class; fi
  # Prometheus and Grafana have volumes as well, of the same class unless the user's values say otherwise.
  if [[ $install_kps == yes && (-n $storage_class || " ${platform_values[*]}" != *" kube-prometheus-stack="*) ]]; then wanted=$(printf '%s\n' "$wanted" "${storage_class:-gp3}" | sort -u); fi
  for class in $wanted; do
    [[ $'\n'$made$'\n' == *$'\n'$class$'\n'* ]] || check_class "$class"
  done
  say "  volumes: Loki $(size_of loki), Tempo $(size_of tempo)"
}

# A class that the release makes. Helm takes over nothing that it did not make, and would say so
# in the middle of the installation.
check_own_class() {
  local owner
  owner=$(kc get storageclass "$1" -o 'jsonpath={.metadata.name} {.metadata.annotations.meta\.helm\.sh/release-name}' 2>/dev/null || true)
  if [[ -n $owner && ${owner#* } != "$release" ]]; then
    fail "StorageClass $1 is there already, and this release did not make it. Use it as it is: --set storageClass.create=false"
  else
    ok "StorageClass $1 is made by this release"
  fi
}

default_class() { kc get storageclass -o 'jsonpath={range .items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")]}{.metadata.name}{" "}{end}' 2>/dev/null || true; }

# The values name no class: the cluster's default is taken.
check_default_class() {
  local default
  default=$(default_class)
  if [[ -z ${default// /} ]]; then
    fail "The values name no StorageClass, and no class of the cluster is the default. Choose one with --storage-class."
  else
    ok "StorageClass ${default% } (the default)"
  fi
}

check_class() {
  local provisioner classes default
  if provisioner=$(kc get storageclass "$1" -o 'jsonpath={.provisioner}' 2>/dev/null) && [[ -n $provisioner ]]; then
    ok "StorageClass $1 ($provisioner)"
    return 0
  fi
  classes=$(kc get storageclass -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{end}' 2>/dev/null || true)
  default=$(default_class)
  if [[ -z ${classes// /} ]]; then
    fail "The cluster has no StorageClass at all, so there is no place for Loki's and Tempo's volumes. Install a CSI driver, or on EKS use --values helm/values/eks.yaml with the EBS CSI driver."
  elif [[ -z ${default// /} ]]; then
    fail "StorageClass $1 does not exist, and no class is the default. There are: $classes. Choose one with --storage-class."
  else
    fail "StorageClass $1 does not exist. The default is ${default% }: use --storage-class ${default% }. There are: $classes"
  fi
}

# The size of a volume in the rendered charts.
size_of() {
  local size
  size=$(awk -v want="$1" '
    /^---/ { kind = ""; name = "" }
    /^kind: / { kind = $2 }
    /^  name: / && name == "" { name = $2 }
    kind == "StatefulSet" && name ~ want && /^ +storage: / { gsub(/"/, "", $2); print $2; exit }' "$rendered")
  printf '%s' "${size:-as the chart has it}"
}

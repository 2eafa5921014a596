# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What deploy.sh and cleanup.sh share. Sourced, never run.

# Exit codes of both scripts.
readonly EXIT_USAGE=2 EXIT_PREFLIGHT=3 EXIT_DEPLOY=4 EXIT_VERIFY=5
export EXIT_USAGE EXIT_PREFLIGHT EXIT_DEPLOY EXIT_VERIFY

readonly LOKI_CHART_VERSION=18.11.0 TEMPO_CHART_VERSION=2.2.4
readonly KPS_VERSION=88.5.3 CERT_MANAGER_VERSION=v1.21.1 OPERATOR_VERSION=0.122.0
readonly KPS_CHART=oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack
readonly CERT_MANAGER_CHART=oci://quay.io/jetstack/charts/cert-manager
readonly OPERATOR_CHART=opentelemetry-operator
readonly OPERATOR_REPO=https://open-telemetry.github.io/opentelemetry-helm-charts
export LOKI_CHART_VERSION TEMPO_CHART_VERSION KPS_VERSION CERT_MANAGER_VERSION OPERATOR_VERSION
export KPS_CHART CERT_MANAGER_CHART OPERATOR_CHART OPERATOR_REPO

# Platform releases that deploy.sh installs carry this label, so that cleanup.sh
# removes those and no others.
readonly OWNER_LABEL=sluice-stack.io/installed-by
readonly OWNER_VALUE=deploy.sh
export OWNER_LABEL OWNER_VALUE

POLL_SECONDS=${SLUICE_POLL_SECONDS:-2}
CONTEXT=
STEP=start

say() { printf '%s\n' "$*"; }
head_line() { printf '\n== %s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }

usage_error() {
  complain "${0##*/}: $* (see --help)"
  exit "$EXIT_USAGE"
}

# The leading comment of the script is its help text.
print_help() { sed -n '3,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"; }

kc() { kubectl ${CONTEXT:+--context "$CONTEXT"} "$@"; }
hm() { helm "$@" ${CONTEXT:+--kube-context "$CONTEXT"}; }

# need_value OPTION COUNT : an option that wants a value has one.
need_value() { (($2 > 1)) || usage_error "$1 needs a value"; }

# confirm QUESTION WORD : asks on the terminal for WORD.
confirm() {
  local answer=
  if [[ ! -t 0 && ${SLUICE_ANSWERS_ON_STDIN:-} != 1 ]]; then
    complain "Nobody can be asked here: standard input is no terminal. Say --yes."
    exit "$EXIT_USAGE"
  fi
  printf '%s Type "%s" to go on: ' "$1" "$2"
  read -r answer || true
  [[ $answer == "$2" ]]
}

# wait_until SECONDS COMMAND... : tries until the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep "$POLL_SECONDS"
  done
}

# on_error FILE:LINE : the ERR trap. Says which step failed.
on_error() {
  local code=$?
  trap - ERR
  complain ""
  complain "Failed in step \"$STEP\" ($1, exit code $code of the command)."
  complain "What was done before it stays. The same command can be run again."
  exit "${STEP_EXIT:-$EXIT_DEPLOY}"
}

# The names of the data sources in a rendered chart.
datasource_names() { sed -n '/datasources:$/,/^---/s/^ *- name: "\(.*\)"$/\1/p' "$1"; }

#!/usr/bin/env bash
# Whether this host can take the runtime. It looks and changes nothing; every check is made and logged, then it fails if
# one of them was an error. That no other host has the same machine id is compared by the reconciler, which sees all.
set -euo pipefail

KERNEL_MIN=4.19
DISK_MIN_GIB=10
MEMORY_MIN_MIB=1700 # kubeadm's own minimum
TOOLS=(bash awk tar gzip flock setsid sha256sum timeout systemctl ip modprobe mount)
K8S_BINARIES=(kubectl kubeadm kubelet crictl containerd runc cni-plugins.tgz)
K8S_IMAGES=(k8s-core-images.tar cni-images.tar)
COMPOSE_BINARIES=(docker dockerd docker-compose containerd runc)
CONTROL_PLANE_PORTS=(6443 2379 2380 10257 10259)
NODE_PORTS=(10250)

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_SCRIPT_ROOT:?}" "${OPS_OUTPUTS:?}"

errors=0
warnings=0

check() { # name, result (ok or what is wrong), severity when it is not ok, more key=value
  local name=$1 result=$2 severity=$3
  shift 3
  if [[ $result == ok ]]; then
    printf '[INFO] check=%s result=ok%s\n' "$name" "${*:+ $*}"
  elif [[ $severity == error ]]; then
    errors=$((errors + 1))
    printf '[ERROR] check=%s result=%s%s\n' "$name" "$result" "${*:+ $*}" >&2
  else
    warnings=$((warnings + 1))
    printf '[WARN] check=%s result=%s%s\n' "$name" "$result" "${*:+ $*}"
  fi
}

verdict() { # a command's success as ok, else what to say
  local otherwise=$1
  shift
  if "$@"; then printf 'ok'; else printf '%s' "$otherwise"; fi
}

at_least() { # version, minimum
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

available_gib() { # of the nearest existing folder above a path
  local path=$1
  while [[ ! -d $path ]]; do path=$(dirname -- "$path"); done
  df --output=avail -BG -- "$path" | tail -n 1 | tr -dc '0-9'
}

listening() { # port, on any address, from the kernel's own tables
  local hex
  hex=$(printf ':%04X' "$1")
  awk -v port="$hex" 'FNR > 1 && $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

has_tool() { command -v "$1" >/dev/null; }

port_free() { ! listening "$1"; }

swap_off() { [[ $(wc -l </proc/swaps) -le 1 ]]; }

machine_id_set() { [[ $(head -c 64 /etc/machine-id 2>/dev/null) =~ ^[0-9a-f]{32}$ ]]; }

cgroup_memory() { # version 2, or version 1 with the memory controller
  [[ -d /sys/fs/cgroup/memory ]] || grep -qsw memory /sys/fs/cgroup/cgroup.controllers
}

kernel_module() { # present in the running kernel, loadable, or built in
  [[ -d /sys/module/$1 ]] || modprobe --dry-run --quiet "$1" 2>/dev/null
}

check_machine() {
  local kernel disk memory folder
  check os "$(verdict "$(uname -s)" test "$(uname -s)" = Linux)" error
  check arch "$(verdict "$(uname -m)" test "$(uname -m)" = x86_64)" error
  kernel=$(uname -r)
  check kernel "$(verdict too_old at_least "${kernel%%-*}" "$KERNEL_MIN")" error "kernel=$kernel" "min=$KERNEL_MIN"
  check machine_id "$(verdict missing machine_id_set)" error
  check cgroup_memory "$(verdict missing cgroup_memory)" error
  for folder in /var/lib "${OPS_WORKDIR:-/opt/opspilot}"; do
    disk=$(available_gib "$folder")
    check disk "$(verdict too_small test "$disk" -ge "$DISK_MIN_GIB")" error "path=$folder" "gib=$disk" \
      "min_gib=$DISK_MIN_GIB"
  done
  memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
  check memory "$(verdict small test "$memory" -ge "$MEMORY_MIN_MIB")" warning "mib=$memory" "min_mib=$MEMORY_MIN_MIB"
}

check_tools() {
  local tool
  for tool in "${TOOLS[@]}"; do
    check tool "$(verdict missing has_tool "$tool")" error "tool=$tool"
  done
}

check_files() { # folder below the bundle, files
  local folder=$1 file
  shift
  for file in "$@"; do
    check bundle "$(verdict missing test -s "$OPS_SCRIPT_ROOT/$folder/$file")" error "file=$folder/$file"
  done
}

check_ports() { # a host that is installed already listens itself
  local port
  if [[ -s ${OPSPILOT_ROOT:-/opt/opspilot}/installed.json ]]; then
    check ports ok error "reason=installed_before"
    return
  fi
  for port in "$@"; do
    check port "$(verdict in_use port_free "$port")" error "port=$port"
  done
}

check_k8s() {
  local module
  check_files bin/linux-amd64 "${K8S_BINARIES[@]}"
  check_files images/k8s-v1.30.1 "${K8S_IMAGES[@]}"
  check swap "$(verdict on swap_off)" error
  for module in overlay br_netfilter; do
    check module "$(verdict missing kernel_module "$module")" warning "module=$module"
  done
  check_ports "${NODE_PORTS[@]}"
  [[ ${OPS_NODE_ROLE:-control_plane} != control_plane ]] || check_ports "${CONTROL_PLANE_PORTS[@]}"
}

check_compose() {
  check_files bin/linux-amd64 "${COMPOSE_BINARIES[@]}"
  check module "$(verdict missing kernel_module overlay)" warning module=overlay
}

check_machine
check_tools
case $OPS_RUNTIME_TYPE in
  k8s) check_k8s ;;
  compose) check_compose ;;
  *) check runtime unknown error "runtime=$OPS_RUNTIME_TYPE" ;;
esac

printf 'preflight_summary=errors:%s,warnings:%s\n' "$errors" "$warnings" >>"$OPS_OUTPUTS"
printf '[INFO] hook=preflight.sh errors=%s warnings=%s\n' "$errors" "$warnings"
[[ $errors == 0 ]]

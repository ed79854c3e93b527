#!/usr/bin/env bash
# Whether the runtime works on this host, by asking it. It changes nothing. What is not installed is an error.
set -euo pipefail

ADMIN_CONF=/etc/kubernetes/admin.conf
PATH=$PATH:/usr/local/bin:/opt/opspilot/bin

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_OUTPUTS:?}"

errors=0

check() { # name, then a command that succeeds where it is well
  local name=$1 said
  shift
  if said=$(timeout 30 "$@" 2>&1 </dev/null); then
    printf '[INFO] check=%s result=ok\n' "$name"
  else
    errors=$((errors + 1))
    printf '[ERROR] check=%s result=failed said="%s"\n' "$name" "$(tr -s '[:space:]"' ' ' <<<"$said" | tail -c 300)" >&2
  fi
}

check_k8s() {
  check containerd_active systemctl is-active containerd
  check kubelet_active systemctl is-active kubelet
  check kubelet_healthz bash -c \
    'exec 3<>/dev/tcp/127.0.0.1/10248 && printf "GET /healthz HTTP/1.0\r\n\r\n" >&3 && grep -qx "ok" <(tr -d "\r" <&3)'
  if [[ -r $ADMIN_CONF ]]; then # only a control plane has it
    check apiserver_ready kubectl --kubeconfig "$ADMIN_CONF" get --raw /readyz
  fi
}

check_compose() {
  check docker_active systemctl is-active docker
  check docker_answers docker info --format '{{.ServerVersion}}'
  check compose_answers docker compose version --short
}

case $OPS_RUNTIME_TYPE in
  k8s) check_k8s ;;
  compose) check_compose ;;
  *) check runtime_known false ;;
esac

printf 'verify_summary=errors:%s\n' "$errors" >>"$OPS_OUTPUTS"
printf '[INFO] hook=post-install-verify.sh errors=%s\n' "$errors"
[[ $errors == 0 ]]

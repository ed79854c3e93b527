#!/usr/bin/env bash
# Takes back what the hooks of this bundle left on the host. In this version they place nothing: the installing hooks fail
# before they change anything, and the others only look. So there is nothing to take back, and saying so is the whole truth.
# Software that came by other means is not touched.
set -euo pipefail

: "${OPS_TASK_ID:?}" "${OPS_RUNTIME_TYPE:?}" "${OPS_OUTPUTS:?}"

printf '[INFO] step=rollback runtime=%s result=nothing_to_take_back\n' "$OPS_RUNTIME_TYPE"
printf 'rollback_result=nothing_to_take_back\n' >>"$OPS_OUTPUTS"

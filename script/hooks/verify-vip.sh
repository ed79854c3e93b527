#!/usr/bin/env bash
# A look at the virtual IP: not available in this version of the bundle.
# It changes nothing and fails, so that nobody takes it for done.
set -euo pipefail

printf '[ERROR] hook=verify-vip.sh result=not_available reason="this version of the bundle does not yet install keepalived, so there is no virtual IP to verify"\n' >&2
exit 78 # EX_CONFIG of sysexits.h: what is asked for is not part of this bundle

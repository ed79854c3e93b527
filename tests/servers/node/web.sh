#!/bin/sh
# The test image's program: a web server on port $PORT (8080) whose behaviour the environment chooses.
#   BODY     what / answers (default: the version of the image)
#   EXIT     say so and end with this code instead of serving
#   UNREADY  /ready and /healthz answer 404, so that a probe of them fails; otherwise 200
if [ -n "$EXIT" ]; then
  echo "ending with $EXIT, as asked" >&2
  exit "$EXIT"
fi
mkdir -p /tmp/www
echo "${BODY:-$VERSION}" > /tmp/www/index.html
[ -n "$UNREADY" ] || echo ready | tee /tmp/www/ready > /tmp/www/healthz
httpd -f -p "${PORT:-8080}" -h /tmp/www &
# a program that is number 1 in its container ignores SIGTERM unless it says otherwise, and its pod would end 30 s later
trap 'kill $!; exit 0' TERM INT
wait

# The host's side of every call: one request on stdin, one framed answer on stdout. bash 4.2+, coreutils, flock, setsid.
#
# It is read, after runner_delivery.sh and as one program with it, by
#   bash -c 'IFS= read -r -N "$1" RUNNER && eval "$RUNNER"' opspilot <bytes>  so nothing of it has to be on
# the host before, and no value of a request ever stands on a command line. After the program come NUL-ended fields:
# nonce, verb, and what the verb reads. An answer is `key=value` lines between two lines that carry the nonce.
#
# What it keeps, below ROOT:
#   generation            the highest plan that touched this host; an older one is refused
#   lock                  held while generation, operations and scripts are looked at and changed
#   current               the operation that was started last
#   operations/ID/        lock (held as long as the run lives, inherited by the hook), request, started (the number of the
#                         attempt, written before it begins), log, stderr, outputs, result (written by rename, at the end);
#                         of a long log its end in log.before and log.last, the middle is gone (log.gone: bytes before last)
#   store/SHA256          content, checked before it got its name
#   scripts/DIGEST.RUNTIME   a bundle's files, hard links into the store; `script` is a symlink to one of them
#   installed.json        what the last completed install was
#
# An operation without result is running while its lock is held; else it was interrupted, and nobody knows how far it got.

set -u -o pipefail
umask 077
export LC_ALL=C
trap : PIPE HUP  # a caller that went away does not end a half-done request; hooks get the default back on exec

ROOT=${OPSPILOT_ROOT:-/opt/opspilot}
LOG_KEPT=524288      # bytes of a hook's log that an answer carries
STDERR_KEPT=131072
OUTPUTS_KEPT=65536
SEGMENT=4194304      # bytes of a log that stay on the host at its beginning, and once or twice as many at its end
NAME='^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'
SHA='^[0-9a-f]{64}$'
NUMBER='^(0|[1-9][0-9]{0,14})$'
FILE='^[A-Za-z0-9_][A-Za-z0-9._+@-]*(/[A-Za-z0-9_][A-Za-z0-9._+@-]*)*$'

# --- the frame

field() { IFS= read -r -d '' "$1" || refuse protocol "the request ends early"; }

answer() { printf '%s=%s\n' "$1" "$2"; }

answer_bytes() { printf '%s=' "$1"; base64 -w0; printf '\n'; }

finish() { printf 'opspilot-end %s\n' "$NONCE"; exit 0; }

refuse() { # reason, what was seen
  answer state refused
  answer reason "$1"
  printf '%s' "${2:-}" | answer_bytes message
  finish
}

expect() { # pattern, value, what it is
  [[ $2 =~ $1 ]] || refuse protocol "$3 is malformed"
}

# --- files

write_file() { # path, text: either the old text stays or the new one is durable
  local beside=$1.$$.new
  printf '%s' "$2" >"$beside" && sync -- "$beside" && mv -fT -- "$beside" "$1" && sync -- "${1%/*}" && return 0
  rm -f -- "$beside"
  return 1
}

or_no_space() { "$@" || refuse no_space "writing below $ROOT failed: $(df -Pk -- "$ROOT" 2>/dev/null | tail -n 1)"; }

uptime_cs() { # hundredths of a second since boot: a clock that nobody sets
  local up _
  read -r up _ </proc/uptime
  printf '%s' "$((10#${up/./}))"
}

# --- the generation

GENERATION=0
read_generation() {
  GENERATION=0
  [[ -e $ROOT/generation ]] || return 0
  GENERATION=$(head -c 32 -- "$ROOT/generation")
  [[ $GENERATION =~ $NUMBER ]]
}

fence() { # generation: take the host's lock, refuse an older plan, remember a newer one
  expect "$NUMBER" "$1" generation
  or_no_space mkdir -p -m 0755 -- "$ROOT"
  or_no_space mkdir -p -- "$ROOT/operations" "$ROOT/store" "$ROOT/scripts" "$ROOT/tasks"
  exec 8>>"$ROOT/lock" || refuse no_space "the lock below $ROOT cannot be opened"
  flock -w 20 8 || refuse locked "another request holds the host's lock"
  read_generation || refuse generation_unreadable "$ROOT/generation is not a number"
  (($1 >= GENERATION)) || refuse older_generation "this host already follows generation $GENERATION"
  (($1 == GENERATION)) || or_no_space write_file "$ROOT/generation" "$1"
}

alive() { # operation folder: whether its run still holds its lock
  [[ -e $1/lock ]] && ! flock -n -s "$1/lock" true
}

refuse_while_running() { # the one operation that may run
  local current
  [[ -f $ROOT/current ]] || return 0
  current=$(head -c 200 -- "$ROOT/current")
  [[ $current =~ $NAME && $current != "$1" && ! -e $ROOT/operations/$current/result ]] || return 0
  alive "$ROOT/operations/$current" && refuse busy "operation $current still runs on this host"
  return 0
}

# --- operations

bytes_in() { stat -c %s -- "$1" 2>/dev/null || printf 0; }

fill() { # file: append what comes until it holds SEGMENT bytes; false where no more comes, or the disk takes no more
  local size grown
  size=$(bytes_in "$1")
  while ((size < SEGMENT)); do # dd passes on what it read at once; a short read counts as a block, so it may end early
    dd bs=65536 count=$(((SEGMENT - size + 65535) / 65536)) >>"$1" 2>/dev/null || return 1
    grown=$(bytes_in "$1")
    ((grown > size)) || return 1
    size=$grown
  done
}

keep() { # file: the beginning and the end of what comes, so that no hook fills the disk by talking
  local gone=0
  exec 8>&- 9>&-
  [[ ! -e $1.gone ]] || gone=$(head -c 20 -- "$1.gone")
  if fill "$1"; then
    while fill "$1.last"; do
      gone=$((gone + $(bytes_in "$1.last")))
      printf '%s' "$gone" >"$1.gone"
      mv -fT -- "$1.last" "$1.before"
    done
  fi
  cat >/dev/null # a full disk: the hook goes on unheard
}

excerpt() { # file, bytes to keep: the whole, or its beginning and its end with a line between
  local size gone=0
  [[ ! -e $1.gone ]] || gone=$(head -c 20 -- "$1.gone")
  [[ $gone =~ $NUMBER ]] || gone=0
  size=$(($(bytes_in "$1") + gone + $(bytes_in "$1.last")))
  if ((size <= $2)); then
    cat -- "$1" 2>/dev/null
  else # whole lines only: half a secret is not known for one where secrets are masked
    head -c $(($2 / 4)) -- "$1" | sed '$d'
    printf '[WARN] runner=excerpt dropped_bytes=%s\n' $((size - $2))
    cat -- "$1" "$1.before" "$1.last" 2>/dev/null | tail -c $(($2 - $2 / 4)) | sed 1d
  fi
}

outputs() { # file: what a report carries of it; a line that was cut is no output
  if (($(bytes_in "$1") <= OUTPUTS_KEPT)); then
    cat -- "$1" 2>/dev/null
  else
    head -c "$OUTPUTS_KEPT" -- "$1" | sed '$d'
  fi
}

report() { # state, operation folder
  answer state "$1"
  [[ -e $2/started ]] && answer attempt "$(head -c 20 -- "$2/started")"
  [[ -e $2/result ]] && head -c 4096 -- "$2/result"
  excerpt "$2/log" "$LOG_KEPT" | answer_bytes log
  excerpt "$2/stderr" "$STDERR_KEPT" | answer_bytes stderr
  outputs "$2/outputs" | answer_bytes outputs
  finish
}

same_request() { # operation folder, fingerprint: one id never means two things
  [[ $(head -c 100 -- "$1/request" 2>/dev/null) == "$2" ]] || refuse request_differs "this operation id ran another hook"
}

verb_start() {
  local id generation fingerprint runtime digest hook sha task context count pair attempt=0 op script workdir
  local timeout grace most delay variables=()
  field id; field generation; field fingerprint; field digest; field runtime; field hook; field sha; field task
  field timeout; field grace; field most; field delay; field context; field count
  expect "$NAME" "$id" "the operation id"; expect "$SHA" "$fingerprint" "the fingerprint"; expect "$SHA" "$digest" digest
  expect "$NAME" "$runtime" "the runtime"; expect "$FILE" "$hook" "the hook"; expect "$SHA" "$sha" "the hook's sha256"
  expect "$NAME" "$task" "the task id"
  for pair in "$timeout" "$grace" "$most" "$delay" "$count"; do expect "$NUMBER" "$pair" "a number"; done
  while ((count-- > 0)); do
    field pair
    expect '^OPS_[A-Z0-9_]{1,60}=' "$pair" "a variable"
    variables+=("$pair")
  done
  op=$ROOT/operations/$id
  if [[ -e $op/result ]]; then
    same_request "$op" "$fingerprint"
    report 'done' "$op"
  fi
  fence "$generation"
  refuse_while_running "$id"
  or_no_space mkdir -p -- "$op"
  exec 9>>"$op/lock" || refuse no_space "the operation's lock cannot be opened"
  if ! flock -w 1 9; then
    same_request "$op" "$fingerprint"
    answer state running
    finish
  fi
  [[ -e $op/request ]] || or_no_space write_file "$op/request" "$fingerprint"
  same_request "$op" "$fingerprint"
  [[ -e $op/result ]] && report 'done' "$op"
  if [[ -e $op/started ]]; then # the run is gone and left no result
    attempt=$(head -c 20 -- "$op/started")
    expect "$NUMBER" "$attempt" "the attempt on record"
    ((++attempt <= most)) || report unknown "$op"
  fi
  script=$ROOT/scripts/$digest.$runtime
  [[ -f $script/$hook ]] || refuse hook_missing "$hook of this bundle is not on the host"
  [[ $(readlink -- "$ROOT/script") == "scripts/$digest."* ]] || refuse hook_missing "another bundle is in place"
  [[ $(sha256sum <"$script/$hook") == "$sha  -" ]] || refuse hook_changed "$hook was changed on the host"
  workdir=$ROOT/tasks/$task
  or_no_space mkdir -p -- "$workdir"
  [[ -z $context ]] || or_no_space write_file "$workdir/context.json" "$context"
  or_no_space point_script_at "scripts/$digest.$runtime" # a hybrid host has two runtimes of one bundle
  or_no_space write_file "$op/runner.sh" "$RUNNER"
  rm -f -- "$op/log.pipe" "$op/stderr.pipe"
  or_no_space mkfifo -- "$op/log.pipe" "$op/stderr.pipe"
  or_no_space write_file "$ROOT/current" "$id"
  or_no_space write_file "$op/started" "$attempt"
  # The lock in fd 9 goes over to the supervisor without a gap. Variables reach it by a pipe: never by argv or a file.
  setsid env -i PATH="$PATH" HOME="${HOME:-/}" LANG=C.UTF-8 OPSPILOT_ROOT="$ROOT" \
    bash -- "$op/runner.sh" supervise "$op" "$script/$hook" "$workdir" "$timeout" "$grace" "$attempt" "$most" "$delay" \
    8>&- < <(exec 8>&- 9>&-; printf '%s\0' "${#variables[@]}" ${variables[@]+"${variables[@]}"} end) \
    >/dev/null 2>>"$op/supervisor.log" &
  answer state running
  finish
}

supervise() { # the detached run: attempts, then the result
  local op=$1 hook=$2 workdir=$3 timeout=$4 grace=$5 attempt=$6 most=$7 delay=$8
  local count pair begun taken group code timed_out tries keepers=() variables=()
  IFS= read -r -d '' count && [[ $count =~ $NUMBER ]] || exit 1
  while ((count-- > 0)); do
    IFS= read -r -d '' pair || exit 1
    variables+=("$pair")
  done
  IFS= read -r -d '' pair && [[ $pair == end ]] || exit 1 # half a set of variables runs nothing
  exec </dev/null
  keep "$op/log" <"$op/log.pipe" &
  keepers=("$!")
  keep "$op/stderr" <"$op/stderr.pipe" &
  keepers+=("$!")
  exec 6>"$op/log.pipe" 7>"$op/stderr.pipe"
  rm -f -- "$op/log.pipe" "$op/stderr.pipe"
  begun=$(uptime_cs)
  while :; do
    : >"$op/outputs"
    taken=$(uptime_cs)
    run_hook >&6 2>&7 6>&- 7>&- &
    group=$!
    wait "$group"
    code=$?
    while ((code > 128)) && kill -0 "$group" 2>/dev/null; do # a signal ended the wait, not the hook
      wait "$group"
      code=$?
    done
    taken=$(($(uptime_cs) - taken))
    timed_out=0
    if ((taken >= timeout * 100)) && ((code == 124 || code == 137)); then
      timed_out=1
      kill -KILL -- "-$group" 2>/dev/null # what ignored the first signal, or was left by what obeyed it
    fi
    ((code == 0 || attempt >= most)) && break
    printf '[WARN] runner=retry attempt=%s exit_code=%s timed_out=%s\n' "$attempt" "$code" "$timed_out" >&6
    sleep "$delay"
    attempt=$((attempt + 1))
    write_file "$op/started" "$attempt" || break # never more attempts than are on record
  done
  (($(bytes_in "$op/outputs") <= OUTPUTS_KEPT)) || truncate -s $((OUTPUTS_KEPT + 1)) -- "$op/outputs" # one more: it is cut
  exec 6>&- 7>&-
  for ((tries = 0; tries < 100; tries++)); do # until all is written; a daemon that was left behind holds its pipe open
    kill -0 "${keepers[@]}" 2>/dev/null || break
    sleep 0.02
  done
  for ((tries = 0; tries < 360; tries++)); do # a full disk: the run stays "running" until its result is durable
    write_file "$op/result" "exit=$code
timed_out=$timed_out
duration_ms=$((($(uptime_cs) - begun) * 10))
" && break
    sleep 5
  done
}

run_hook() { # becomes the hook, the leader of its own process group; reads the locals of supervise
  local pair
  for pair in ${variables[@]+"${variables[@]}"}; do export "${pair?}"; done
  export OPS_RETRY_ATTEMPT=$attempt OPS_RETRY_MAX=$most OPS_OUTPUTS=$op/outputs
  export OPS_WORKDIR=$workdir OPS_SCRIPT_ROOT=$ROOT/script
  unset LC_ALL
  cd -- "$workdir" || exit 126
  exec setsid timeout --kill-after="$grace" "$timeout" bash -- "$hook"
}

verb_attach() { # wait for the end of a run, for at most so many tenths of a second
  local id tenths op
  field id; field tenths
  expect "$NAME" "$id" "the operation id"; expect "$NUMBER" "$tenths" "the wait"
  op=$ROOT/operations/$id
  while :; do
    [[ -e $op/result ]] && report 'done' "$op"
    if ! alive "$op"; then
      [[ -e $op/result ]] && report 'done' "$op"
      [[ -e $op/started ]] && report interrupted "$op"
      answer state absent
      finish
    fi
    ((tenths-- > 0)) || { answer state running; finish; }
    sleep 0.1
  done
}

# --- what a host remembers and what it is

verb_record() {
  local generation text
  field generation; field text
  fence "$generation"
  if [[ -n $text ]]; then
    or_no_space write_file "$ROOT/installed.json" "$text"
  else
    rm -f -- "$ROOT/installed.json"
    sync -- "$ROOT"
  fi
  answer state ok
  finish
}

verb_facts() {
  local count argc part command code
  field count
  expect "$NUMBER" "$count" "the count"
  answer state ok
  read_generation || GENERATION=unreadable
  answer generation "$GENERATION"
  head -c 8192 -- "$ROOT/installed.json" 2>/dev/null | answer_bytes installed
  while ((count-- > 0)); do
    field argc
    command=()
    while ((argc-- > 0)); do
      field part
      command+=("$part")
    done
    printf 'fact='
    timeout 10 "${command[@]}" 2>/dev/null </dev/null | head -c 16384 | base64 -w0
    code=${PIPESTATUS[0]}
    printf ':%s\n' "$code"
  done
  finish
}

serve() {
  local verb
  NONCE=
  IFS= read -r -d '' NONCE && [[ $NONCE =~ ^[0-9a-f]{32}$ ]] || exit 64
  printf '\nopspilot-begin %s\n' "$NONCE"
  field verb
  case $verb in
    facts | start | attach | missing | put | switch | record) "verb_$verb" ;;
    *) refuse protocol "unknown verb" ;;
  esac
}

if [[ ${1:-} == supervise ]]; then
  supervise "${@:2}"
else
  serve
fi

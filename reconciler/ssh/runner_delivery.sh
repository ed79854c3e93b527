# shellcheck shell=bash
# The delivery verbs of runner.sh: content into the store, then one switch of the folder in place. It is sent before
# runner.sh as one program with it and holds functions only.

sweep_uploads() { find "$ROOT/store" -maxdepth 1 -name '.upload.*' -mmin +60 -delete 2>/dev/null; }

verb_missing() {
  local generation count sha size
  field generation; field count
  fence "$generation"
  expect "$NUMBER" "$count" "the count"
  sweep_uploads
  answer state ok
  while ((count-- > 0)); do
    field sha; field size
    expect "$SHA" "$sha" "a sha256"
    [[ -f $ROOT/store/$sha && $(stat -c %s -- "$ROOT/store/$sha") == "$size" ]] || answer missing "$sha"
  done
  finish
}

verb_put() { # the content follows the fields
  local sha size beside
  field sha; field size
  expect "$SHA" "$sha" "the sha256"; expect "$NUMBER" "$size" "the size"
  or_no_space mkdir -p -m 0755 -- "$ROOT"
  or_no_space mkdir -p -- "$ROOT/store"
  beside=$(mktemp -- "$ROOT/store/.upload.XXXXXXXX") || refuse no_space "nothing can be written to $ROOT/store"
  trap 'rm -f -- "$beside"' EXIT
  head -c "$size" >"$beside" || refuse no_space "storing $size bytes below $ROOT failed"
  [[ $(stat -c %s -- "$beside") == "$size" ]] || refuse cut "the content ended after $(stat -c %s -- "$beside") bytes"
  [[ $(sha256sum <"$beside") == "$sha  -" ]] || refuse content_differs "the content that arrived is not $sha"
  or_no_space sync -- "$beside"
  or_no_space mv -fT -- "$beside" "$ROOT/store/$sha"
  answer state ok
  finish
}

link_file() { # sha, mode, path: a hard link, or a copy where the same content is wanted with two modes
  local from=$ROOT/store/$1 to=$2
  mkdir -p -- "${to%/*}" || return 1
  if (($(stat -c %h -- "$from") > 1)) && [[ $(stat -c %a -- "$from") != "$((10#$3))" ]]; then
    cp --reflink=auto -- "$from" "$to" || return 1
  else
    ln -- "$from" "$to" || return 1
  fi
  chmod -- "$3" "$to"
}

verb_switch() {
  local generation digest runtime count sha mode path name folder beside sums='' list=()
  field generation; field digest; field runtime; field count
  expect "$SHA" "$digest" "the digest"; expect "$NAME" "$runtime" "the runtime"; expect "$NUMBER" "$count" "the count"
  while ((count-- > 0)); do
    field sha; field mode; field path
    expect "$SHA" "$sha" "a sha256"; expect '^0[0-7]{3}$' "$mode" "a mode"; expect "$FILE" "$path" "a path"
    list+=("$sha" "$mode" "$path")
    sums+="$sha  $path"$'\n'
  done
  fence "$generation"
  refuse_while_running ''
  name=scripts/$digest.$runtime folder=$ROOT/scripts/$digest.$runtime beside=$ROOT/scripts/.new.$$
  if ! { [[ -d $folder ]] && cd -- "$folder" && sha256sum --status --strict -c - <<<"${sums%$'\n'}"; }; then
    cd /
    rm -rf -- "$ROOT"/scripts/.new.*
    or_no_space mkdir -p -- "$beside"
    for ((count = 0; count < ${#list[@]}; count += 3)); do
      [[ -f $ROOT/store/${list[count]} ]] || refuse not_stored "${list[count]}"
      or_no_space link_file "${list[count]}" "$beside/${list[count + 2]}" "${list[count + 1]}"
    done
    cd -- "$beside" || refuse no_space "the new folder cannot be entered"
    while read -r path; do # content that went bad in the store is sent again
      for ((count = 0; count < ${#list[@]}; count += 3)); do
        [[ ${list[count + 2]} == "$path" ]] && rm -f -- "$ROOT/store/${list[count]}"
      done
    done < <(sha256sum --quiet --strict -c - <<<"${sums%$'\n'}" 2>/dev/null | sed -n 's/: FAILED.*$//p')
    sha256sum --status --strict -c - <<<"${sums%$'\n'}" || refuse not_stored "a stored file was damaged"
    cd /
    rm -rf -- "$folder.old"
    [[ ! -e $folder ]] || or_no_space mv -fT -- "$folder" "$folder.old"
    or_no_space mv -fT -- "$beside" "$folder"
    sync -- "$ROOT/scripts"
    rm -rf -- "$folder.old"
  fi
  cd /
  if [[ $(readlink -- "$ROOT/script") != "$name" ]]; then
    or_no_space point_script_at "$name"
    touch -- "$folder"
    drop_old_scripts "$name"
  fi
  answer state ok
  finish
}

point_script_at() { # folder below ROOT: one rename, so there is the old one or the new one
  [[ $(readlink -- "$ROOT/script") != "$1" ]] || return 0
  rm -f -- "$ROOT/.script.new"
  ln -s -- "$1" "$ROOT/.script.new" && mv -fT -- "$ROOT/.script.new" "$ROOT/script" && sync -- "$ROOT"
}

drop_old_scripts() { # keep the one in place and the three used last before it; content that nothing names goes too
  local kept=0 folder
  while read -r folder; do
    [[ scripts/$folder == "$1" ]] && continue
    ((++kept <= 3)) || rm -rf -- "$ROOT/scripts/$folder"
  done < <(cd -- "$ROOT/scripts" && ls -1t)
  find "$ROOT/store" -maxdepth 1 -type f -links 1 -regextype posix-extended -regex '.*/[0-9a-f]{64}' -delete
}

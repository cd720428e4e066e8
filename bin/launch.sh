# Becomes a modelfleet program: the process that was started is Node itself, so that signals, exit codes and `kill -9`
# meet the program and nothing is left between. Read by the programs beside it, which set `bin` to where they lie. The
# Node is the one that the package `node` carries, else the machine's when it is new enough.

NODE_MAJOR_MIN=24

# launch PROGRAM ARGUMENTS…
launch() {
  find_node
  exec "$node" "${bin%/*}/start.js" "$@"
}

# Sets `node`. Packages lie in the project's own node_modules or, where a project uses modelfleet, in one above it.
find_node() {
  folder=${bin%/*/*}
  while :; do
    node=$folder/node_modules/node/bin/node
    [ -x "$node" ] && return
    [ -n "$folder" ] || break
    folder=${folder%/*}
  done
  node=node
  version=$(node --version 2>/dev/null) || version=none
  major=${version#v}
  major=${major%%.*}
  case $major in '' | *[!0-9]*) major=0 ;; esac
  [ "$major" -ge "$NODE_MAJOR_MIN" ] && return
  echo "Cannot start: found Node $version. Wanted: Node $NODE_MAJOR_MIN or newer, or the npm package \"node\" with its install script run." >&2
  exit 70
}

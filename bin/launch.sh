# Becomes a modelfleet program: the process that was started is Node itself, so that signals, exit codes and `kill -9`
# meet the program and nothing is left between. Read by the programs beside it, which set `bin` to where they lie. The
# Node is the one that is installed with modelfleet, else the one beside the command that was called (where npm puts
# commands), else the first in the path; those two when they are new enough. SIGUSR1 would open
# a debugger that every user of the machine can connect to: the flag turns that off.

NODE_MAJOR_MIN=24

# launch PROGRAM ARGUMENTS…
launch() {
  find_node
  exec "$node" --disable-sigusr1 "${bin%/*}/start.js" "$@"
}

# Sets `node`. Packages lie in the project's own node_modules or, where a project uses modelfleet, in one above it.
find_node() {
  folder=${bin%/*/*}
  while :; do
    for node in "$folder"/node_modules/node-linux-*/bin/node; do
      [ -x "$node" ] && return
    done
    [ -n "$folder" ] || break
    folder=${folder%/*}
  done
  for node in "${0%/*}/node" node; do
    version=$("$node" --version 2>/dev/null) || version=none
    major=${version#v}
    major=${major%%.*}
    case $major in '' | *[!0-9]*) major=0 ;; esac
    [ "$major" -ge "$NODE_MAJOR_MIN" ] && return
  done
  echo "Cannot start: found Node $version. Install Node $NODE_MAJOR_MIN or newer, or install modelfleet again with the Node that this machine has." >&2
  exit 70
}

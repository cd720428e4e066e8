# Becomes a modelfleet program: the process that was started is Node itself, so that signals, exit codes and `kill -9`
# meet the program and nothing is left between. Read by the programs beside it, which set `bin` to where they lie.
#
# The Node is the one that the package `node` carries, else the machine's when it is new enough. A checkout runs its
# TypeScript as it is; an installed package, which has none, runs what `npm run build` made of it.

NODE_MAJOR_MIN=24

# launch PROGRAM FLAGS ARGUMENTS…: a path below the project without its ending, such as `hub/main`, and flags of V8.
launch() {
  root=${bin%/*/*}
  entry=$root/$1.ts
  [ -f "$entry" ] || entry=$root/dist/$1.js
  flags=$2
  shift 2
  find_node
  # A quarter of a command's start is compiling. Node's default folder for it would be one that all users can write to.
  caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  if [ -z "${NODE_COMPILE_CACHE+set}" ] && [ -n "$caches" ]; then
    export NODE_COMPILE_CACHE="$caches/modelfleet/compiled"
  fi
  # Flags are ours, and split at their spaces.
  exec "$node" $flags "$entry" "$@"
}

# Sets `node`. Packages lie in the project's own node_modules or, where a project uses modelfleet, in one above it.
find_node() {
  folder=$root
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

/** The scripts that make a shell ask a program what fits: `program __complete -- WORDS…`. */

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * The program answers with lines `value<TAB>description`, and last `:files`, `:folders` or `:none`. Bash splits words at `=` and
 * `:`, so that the script puts them together again and offers only what follows the last of them.
 */
const bash = `# bash completion of PROGRAM: source it, or put it in
# ~/.local/share/bash-completion/completions/PROGRAM
_FUNCTION() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words=() glued= word i
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ \${#words[@]} -gt 0 && ( $word == [=:] || $glued ) ]]; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    [[ $word == [=:] ]] && glued=1 || glued=
  done
  [[ $cur == [=:] ]] && cur=
  local typed=\${words[\${#words[@]}-1]}
  local prefix=\${typed%"$cur"} line last=:none
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      last=$line
    else
      line=\${line%%$'\\t'*}
      COMPREPLY+=("\${line#"$prefix"}")
    fi
  done < <(PROGRAM __complete -- "\${words[@]}" 2>/dev/null)
  case $last in
    :files) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur") ;;
    :folders) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$cur") ;;
  esac
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _FUNCTION PROGRAM
`;

const zsh = `#compdef PROGRAM
# zsh completion of PROGRAM: source it after compinit, or save it as _PROGRAM in a folder of $fpath
_FUNCTION() {
  local -a lines values
  local line last
  lines=("\${(@f)$(PROGRAM __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  last=$lines[-1]
  for line in "\${(@)lines[1,-2]}"; do
    values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#values )) && _describe -t values 'PROGRAM' values
  case $last in
    :files) _files ;;
    :folders) _files -/ ;;
  esac
}
if [[ \${funcstack[1]} == _PROGRAM ]]; then
  _FUNCTION "$@"
else
  compdef _FUNCTION PROGRAM
fi
`;

const fish = `# fish completion of PROGRAM: save it as ~/.config/fish/completions/PROGRAM.fish
function __FUNCTION
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    test -n "$typed"; or set typed ''
    set -l lines (PROGRAM __complete -- $words[2..-1] $typed 2>/dev/null)
    for line in $lines
        switch $line
            case ':files'
                __fish_complete_path $typed
            case ':folders'
                __fish_complete_directories $typed ''
            case ':none'
            case '*'
                echo $line
        end
    end
end
complete -c PROGRAM -f -a '(__FUNCTION)'
`;

export function completionScript(shell: Shell, program: string): string {
  const script = { bash, zsh, fish }[shell];
  return script.replaceAll('PROGRAM', program).replaceAll('FUNCTION', program.replaceAll('-', '_'));
}

/** The scripts by which a shell completes `lockgate`: one table in words that bash and zsh both read, and a few lines for each. */

/** One command, as completion knows it. */
export interface Completable {
  readonly words: string
  /** Options with their dashes. */
  readonly options: readonly string[]
  /** Those of them after which a value comes. */
  readonly valued: readonly string[]
  /** Words of which the first argument is one; none: it is a name or a file. */
  readonly choices: readonly string[]
}

/** Shells there is a script for. */
export const SHELLS = ["bash", "zsh"] as const
export type Shell = (typeof SHELLS)[number]

/** The script for that shell, to be read by it at its start. */
export function completionScript(shell: Shell, commands: readonly Completable[]): string {
  const head = shell === "zsh" ? "#compdef lockgate\n" : ""
  const use = `# source <(lockgate completion ${shell})\n`
  return `${head}${use}${tableText(commands)}${shell === "bash" ? BASH : ZSH}`
}

/** Names of commands, options and choices are words of our own: nothing in them means anything to a shell. */
function tableText(commands: readonly Completable[]): string {
  const next = new Map<string, Set<string>>([["", new Set(["help"])]])
  for (const { words } of commands) {
    const all = words.split(" ")
    all.forEach((word, i) => {
      const before = all.slice(0, i).join(" ")
      next.set(before, (next.get(before) ?? new Set()).add(word))
    })
  }
  const nextLines = [...next].map(([before, words]) => `    "${before}") echo "${[...words].sort().join(" ")}" ;;`)
  const rows = commands.map(({ words, options, valued, choices }) => {
    const set = `opts="${["--help", ...options].join(" ")}" valued="${valued.join(" ")}" choices="${choices.join(" ")}"`
    return `    "${words}") ${set} ;;`
  })
  return `_lockgate_next() {
  case "$1" in
${nextLines.join("\n")}
  esac
}
# Sets opts, valued and choices; fails if there is no such command.
_lockgate_command() {
  case "$1" in
${rows.join("\n")}
    *) return 1 ;;
  esac
}
# Prints what may stand next: $1 the word before, $2 what is begun, then the words before it. Nothing: a file, or a name.
_lockgate_words() {
  local before="$1" begun="$2" opts="" valued="" choices="" said="" found="" rest=0 next
  shift 2
  while [ $# -gt 0 ]; do
    next="\${said:+$said }$1"
    if [ -z "$(_lockgate_next "$next")" ] && ! _lockgate_command "$next"; then break; fi
    said="$next"
    shift
  done
  rest=$#
  if [ $rest -eq 0 ] && [ "\${begun#-}" = "$begun" ]; then _lockgate_next "$said"; fi
  _lockgate_command "$said" || return 0
  case " $valued " in *" $before "*) return 0 ;; esac
  if [ "\${begun#-}" != "$begun" ]; then echo "$opts"; elif [ $rest -eq 0 ]; then echo "$choices"; fi
}
`
}

const BASH = `_lockgate() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" words
  words="$(_lockgate_words "\${COMP_WORDS[COMP_CWORD-1]}" "$cur" "\${COMP_WORDS[@]:1:COMP_CWORD-1}")"
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _lockgate lockgate
`

const ZSH = `_lockgate() {
  local -a begun found
  begun=("\${(@)words[2,CURRENT-1]}")
  found=(\${=$(_lockgate_words "\${words[CURRENT-1]}" "\${words[CURRENT]}" "\${begun[@]}")})
  if (( \${#found} )); then compadd -- "\${found[@]}"; else _files; fi
}
if [ "\${funcstack[1]}" = "_lockgate" ]; then _lockgate "$@"; else compdef _lockgate lockgate; fi
`

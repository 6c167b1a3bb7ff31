"""The completion scripts of the shells, and where each shell looks for them.

The scripts call the program by the first word of the line, so that it need not be on the path. They never evaluate an
answer, and print no errors.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from chatcli.errors import InputError

_BASH: Final = r"""# Completion of chatcli for bash; made by "chatcli completion bash".

_chatcli_completion() {
    local line kind='' answer
    answer=$(_CHATCLI_COMPLETE=bash "${1/#\~\//$HOME/}" "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null)
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
    done <<<"$answer"
    case $kind in
        files) COMPREPLY=(); compopt -o default 2>/dev/null ;;
        dirs) COMPREPLY=(); compopt -o dirnames 2>/dev/null ;;
    esac
    return 0
}

# Before 4.4, bash sorts what it shows.
complete -o nosort -F _chatcli_completion chatcli 2>/dev/null || complete -F _chatcli_completion chatcli
"""

_ZSH: Final = r"""#compdef chatcli
# Completion of chatcli for zsh; made by "chatcli completion zsh".

_chatcli() {
    local program=${(Q)words[1]} kind cut
    local -a answer
    program=${program/#\~\//$HOME/}
    answer=("${(@f)$(_CHATCLI_COMPLETE=zsh "$program" "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" \
        2>/dev/null </dev/null)}")
    kind=$answer[1] cut=$answer[2]
    [[ $cut == *=* ]] && compset -P 1 '*='
    [[ $cut == *,* ]] && compset -P '*,'
    case $kind in
        files) _files ;;
        dirs) _files -/ ;;
        words)
            answer=("${(@)answer[3,-1]}")
            (( $#answer )) || return 1
            _describe -V chatcli answer -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}'
            ;;
        *) return 1 ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _chatcli "$@"
elif (( $+functions[compdef] )); then
    compdef _chatcli chatcli
else
    print -u2 'chatcli: completion needs "autoload -Uz compinit && compinit" before this line.'
fi
"""

_FISH: Final = r"""# Completion of chatcli for fish; made by "chatcli completion fish".

function __chatcli_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l answer (_CHATCLI_COMPLETE=fish $program $words "$current" 2>/dev/null </dev/null)
    set -l kind $answer[1]
    set -e answer[1]
    switch "$kind"
        case words
            printf '%s\n' $answer
        case files
            set -l option (string match -r -- '^--[^=]*=' $current)
            for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' $current))
                printf '%s%s\n' "$option" $path
            end
        case dirs
            set -l option (string match -r -- '^--[^=]*=' $current)
            for path in (__fish_complete_directories (string replace -r -- '^--[^=]*=' '' $current))
                printf '%s%s\n' "$option" $path
            end
    end
end

complete --command chatcli --no-files --keep-order --arguments '(__chatcli_complete)'
"""

SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


class Place(NamedTuple):
    """The path of a script, and advice on how the shell finds it there."""

    path: str
    advice: str


def place(shell: str) -> Place:
    """Return the place where a shell looks for completion scripts.

    Raises:
        InputError: the system does not know the user's home directory.
    """
    return {"bash": _in_bash, "zsh": _in_zsh, "fish": _in_fish}[shell]()


def _in_bash() -> Place:
    base = os.environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
    if not os.path.isabs(base):
        base = os.path.join(_directory("XDG_DATA_HOME", "~/.local/share"), "bash-completion")
    path = os.path.join(base, "completions", "chatcli")
    return Place(
        path, f"A new shell has it, if bash-completion is installed; if not, add this to ~/.bashrc: . {_quoted(path)}"
    )


def _in_zsh() -> Place:
    directory = os.path.join(_directory("ZDOTDIR", "~"), ".zfunc")
    settings = os.path.join(os.environ.get("ZDOTDIR") or "~", ".zshrc")
    return Place(
        os.path.join(directory, "_chatcli"),
        f"A new shell has it, if {settings} contains this: fpath+=({_quoted(directory)}); autoload -Uz compinit; "
        "compinit",
    )


def _in_fish() -> Place:
    path = os.path.join(_directory("XDG_CONFIG_HOME", "~/.config"), "fish", "completions", "chatcli.fish")
    return Place(path, "A new shell has it.")


def _directory(variable: str, otherwise: str) -> str:
    base = os.environ.get(variable, "")
    directory = base if os.path.isabs(base) else os.path.expanduser(otherwise)
    if not os.path.isabs(directory):
        raise InputError(f"This system does not know your home directory: name a directory in {variable}.")
    return directory


def _quoted(path: str) -> str:
    from chatcli.protocol.values.text import quoted

    return quoted(path)

"""Completion in the shell: its installation for zsh, and the member names that `--member` offers.

zsh has a completion function `_pack` of its own, for another program of that name, and looks functions up by name.
So ours is called `_qa2pack`, serves `pack` and `tarsplit`, and is bound to both after zsh has bound its own. Other
shells are left to typer. Changes two files in the home folder of the user, on request only.
"""

import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer._completion_shared import _get_shell_name  # the version of typer is bounded in pyproject.toml
from typer.completion import install_callback

from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Refused

_FUNCTION = """\
#compdef pack tarsplit
local program=${words[1]:t}
eval "$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _${(U)program}_COMPLETE=complete_zsh $words[1])"
"""
# The function is named, not searched for by `#compdef`: the cache of compinit may be older than its file.
_BINDING = "fpath=(~/.zfunc $fpath); autoload -Uz compinit _qa2pack; compinit; compdef _qa2pack pack tarsplit"


def use_own_zsh(command: Any) -> None:
    """Let `--install-completion` of the command install our function where the shell is zsh."""
    for option in command.params:
        if option.name == "install_completion":
            option.callback = _install


def install_zsh(home: Path) -> Path:
    """Write the function, bind it in `.zshrc` unless it is bound there, and return the function's path."""
    function = home / ".zfunc/_qa2pack"
    function.parent.mkdir(exist_ok=True)
    function.write_text(_FUNCTION)
    settings = home / ".zshrc"
    before = settings.read_bytes() if is_there(os.fsencode(settings)) else b""
    if _BINDING.encode() not in before:
        with settings.open("ab") as file:  # appended, because it may be a symlink or have its own mode
            file.write((b"" if before.endswith(b"\n") or not before else b"\n") + _BINDING.encode() + b"\n")
    return function


def offered_members(context: typer.Context, incomplete: str) -> list[str]:
    """Return the members of the packages on the line whose names begin so; empty if there is no package."""
    # A line that ends in an option without value is not taken apart: its arguments are left over.
    typed = context.params.get("package") or context.args
    packages = [typed] if isinstance(typed, str) else typed
    return sorted({name for package in packages for name in _members(package) if name.startswith(incomplete)})


def _install(context: Any, option: Any, value: Any) -> Any:
    if not value or context.resilient_parsing or (value if isinstance(value, str) else _get_shell_name()) != "zsh":
        return install_callback(context, option, value)
    function = install_zsh(Path.home())
    print(f"Completion for zsh is installed in {shown(os.fsencode(function))}")
    print("It works in new shells.")
    sys.exit(0)


def _members(package: str) -> list[str]:
    """Return the members; none of what is no package, as the origin of a plan."""
    from qa2pack.manifest.alma.package import read_state
    from qa2pack.pack.target import target_of

    try:
        state = read_state(target_of(os.path.expanduser(package)).package)
    except (OSError, ValueError, Refused):  # the tab key never prints an error
        return []
    return [shown(member) for member in state.members]

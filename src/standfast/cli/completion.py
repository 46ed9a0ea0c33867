"""`standfast completion`: the script that teaches a shell this command line."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      standfast completion bash > ~/.local/share/bash-completion/completions/standfast
      standfast completion zsh > ~/.zfunc/_standfast
      standfast completion fish > ~/.config/fish/completions/standfast.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None, shell
    click.echo(complete(ctx.find_root().command, {}, "standfast", "_STANDFAST_COMPLETE").source())

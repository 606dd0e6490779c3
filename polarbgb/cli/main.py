"""The command line: each command calls the library function of the same name and prints its result."""

from __future__ import annotations

import click

from polarbgb import __version__
from polarbgb.cli import configuration, pipeline, prediction, results
from polarbgb.cli.errors import OneLineErrors


@click.group(
    cls=OneLineErrors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="polarbgb")
@click.pass_context
def main(context: click.Context) -> None:
    """Predict the background of gamma-ray count rates with boosted trees, and find the transients above it.

    \b
    Try it:            polarbgb demo
    On your own file:  polarbgb run -c configs/polar.toml -i nf1rate.root
    """  # noqa: D301 - click keeps the lines after \b as they are
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        return
    from polarbgb.memory import spare_address_space

    spare_address_space()


for _command in (
    configuration.config,
    pipeline.demo,
    pipeline.run,
    prediction.simulate,
    prediction.inspect,
    prediction.tune,
    prediction.fit,
    prediction.predict,
    results.detect,
    results.explain,
    results.evaluate,
    results.plot,
    results.export,
    results.report,
):
    main.add_command(_command)

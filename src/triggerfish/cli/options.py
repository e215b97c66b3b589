"""The options that say how to load a model, shared by the commands that load one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from triggerfish.cli.checks import architecture
from triggerfish.cli.devices import device_option
from triggerfish.cli.numbers import Numbers, check_counts
from triggerfish.loading import Hints, LoadOptions
from triggerfish.loading.hints import Settings
from triggerfish.loading.weights.by_name import parse_arch_args
from triggerfish.model.classifier import OutputKind

Command = TypeVar("Command", bound=Callable[..., Any])

SHAPE = Numbers("int", "channels, height and width", "1,28,28", count=3)
MEAN = Numbers("float", "one number, or one for each channel", "0.5 or 0.485,0.456,0.406")
RANGE = Numbers("float", "the lowest and the highest input", "0,255", count=2)

_OPTIONS = (
    click.option(
        "--arch",
        callback=architecture,
        help="Network of a state dict: a built-in name, chain:STEPS, package.module:factory, "
        "file.py:Factory, timm:NAME or torchvision:NAME.",
    ),
    click.option("--arch-args", multiple=True, metavar="KEY=VALUE", help="Arguments of --arch."),
    click.option("--input-shape", callback=SHAPE, metavar="C,H,W", help="Shape of an image."),
    click.option(
        "--mean", callback=MEAN, help="Mean that is subtracted: one number, or one a channel."
    ),
    click.option("--std", callback=MEAN, help="Standard deviation that is divided by, likewise."),
    click.option(
        "--input-range",
        callback=RANGE,
        metavar="LOW,HIGH",
        help="What [0, 1] is stretched to before the mean is subtracted.",
    ),
    click.option(
        "--channels-last", is_flag=True, default=None, help="The network takes (N, H, W, C)."
    ),
    click.option("--num-classes", type=click.IntRange(2), help="How many classes there are."),
    click.option(
        "--output-kind", type=click.Choice(get_args(OutputKind)), help="What the network answers."
    ),
    click.option(
        "--state-key",
        metavar="KEY",
        help="The only network to read of a file that holds several, by its key: see inspect.",
    ),
    click.option(
        "--unsafe-pickle",
        is_flag=True,
        help="Unpickle whole modules: runs code from the file, in a process without network.",
    ),
    click.option("--strict", is_flag=True, help="Refuse a model about which anything is assumed."),
    device_option("PyTorch device"),
)


def loading_options(command: Command) -> Command:
    """Add the loading options; the command gets them as keywords, for `take_load_options`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_load_options(values: dict[str, Any]) -> LoadOptions:
    """Take the loading options out of a command's keywords.

    Raises `click.UsageError` when one is malformed.
    """
    try:
        arguments = parse_arch_args(values.pop("arch_args"))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    check_counts(values["mean"], values["std"], values["input_shape"])
    given = Hints(
        "command line",
        architecture=values.pop("arch"),
        arch_args=arguments or None,
        input_shape=values.pop("input_shape"),
        mean=values.pop("mean"),
        std=values.pop("std"),
        input_range=values.pop("input_range"),
        channels_last=values.pop("channels_last"),
        num_classes=values.pop("num_classes"),
        output=values.pop("output_kind"),
        state_key=values.pop("state_key"),
    )
    try:
        Settings([given]).preprocessing()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return LoadOptions(
        given, values.pop("device"), values.pop("unsafe_pickle"), values.pop("strict")
    )

"""The engine's functions of any network, on GoogLeNet."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Concatenate, ParamSpec, TypeVar

from googlenet_np.architecture import GOOGLENET
from netparity.network.network import Network

P = ParamSpec("P")
T = TypeVar("T")


def on_googlenet(function: Callable[Concatenate[Network, P], T]) -> Callable[P, T]:
    """``function`` without its first argument, the network, which is GoogLeNet."""

    @wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(GOOGLENET, *args, **kwargs)

    whole = signature(function)
    bound.__signature__ = whole.replace(parameters=list(whole.parameters.values())[1:])  # type: ignore[attr-defined]
    bound.__doc__ = (function.__doc__ or "").replace("        network: The network.\n", "")
    return bound

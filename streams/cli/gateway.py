"""``millrace gateway``: serve features over HTTP."""

import time
from contextlib import closing

import click

from infra.settings import Settings
from streams.cli.context import load_settings
from streams.cli.errors import CommandError
from streams.cli.render import plural

AGENT = "featurize"


@click.command("gateway", epilog="Example: MILLRACE_FEATURES_MODULE=shop.features millrace gateway")
def command() -> None:
    """Serve the feature specs of your module over HTTP until Ctrl-C or SIGTERM.

    \b
    GET  /serving-endpoints                      what is served
    GET  /serving-endpoints/NAME                 one of them: its inputs and outputs
    POST /serving-endpoints/NAME/invocations     {"dataframe_records": [{...}]} -> {"predictions": [{...}]}
    GET  /healthz                                whether it lives

    It listens at gateway.host and gateway.port. A record that cannot be answered has {"error": {...}} in its
    place; the others are answered all the same.
    """
    run_gateway(load_settings())


def run_gateway(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        infra.errors.InfraError: If the module cannot be served, or the address is taken.
    """
    from infra.gateway.application import make_application  # all of them here: `--help` loads no HTTP server
    from infra.gateway.server import serve
    from infra.gateway.serving_endpoints import make_router
    from streams.features.module import load_features
    from streams.features.reading import FeatureReader
    from streams.features.serving import served_specs
    from streams.functions.function_pool import FunctionPool
    from streams.places import store_place

    module = load_features(settings)
    name, limit_s, gateway = str(settings.features.module), settings.features.function_s, settings.gateway
    if not module.specs:
        raise CommandError(f"{name} has no feature spec to serve", "Write FeatureSpec(...) at its top level.")
    with closing(FunctionPool(name, limit_s)) as pool, closing(FeatureReader(store_place(settings, AGENT))) as reader:
        specs = served_specs(module, reader, pool, time.time)
        if any(one.functions for one in module.specs.values()):
            pool.start()
        told = ", ".join(module.specs)

        def ready(address: str) -> None:
            click.echo(f"Listening at {address}: {plural(len(specs), 'serving endpoint')} ({told}).")

        serve(make_application([make_router(specs)]), gateway.host, gateway.port, ready)

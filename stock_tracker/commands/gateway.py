"""``stock-tracker gateway``: the WebSocket gateway with its dashboard."""

EPILOG = "Example: GATEWAY_PORT=8090 stock-tracker gateway"


def gateway() -> None:
    """Serve stock.v1, the REST endpoints and the dashboard until stopped."""
    import os

    from gateway.service import run
    from gateway.settings import GatewaySettings
    from schemas.deployment import dead_letter_limit, topic_prefix
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.service import log_to_stderr, run_until_signalled, spare_the_collector

    log_to_stderr()
    settings = GatewaySettings(
        kafka=kafka_config(os.environ),
        topic_prefix=topic_prefix(os.environ),
        dead_letter_limit=dead_letter_limit(os.environ),
    )
    run_until_signalled(lambda stop: run(settings, stop, when_ready=spare_the_collector))

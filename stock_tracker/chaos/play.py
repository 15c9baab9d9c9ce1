"""What ``stock-tracker chaos`` does: start a stack, play a day while its processes are struck, drain, verify, report, stop."""

import json
import os
import time
from collections.abc import Sequence

from stock_tracker.chaos.core.known import suspicions
from stock_tracker.chaos.core.report import ChaosReport, Machine
from stock_tracker.chaos.core.schedule import ProcessStrike
from stock_tracker.chaos.run import KAFKA, Chaos
from stock_tracker.errors import NoSuchPart
from stock_tracker.stack.display import Display
from stock_tracker.stack.plan import Stack
from stock_tracker.stack.play import STOPPED, until_signalled, verified
from stock_tracker.stack.up import played_and_drained, running
from stock_tracker.verify.run import Verification


def parts_of(stack: Stack, asked: Sequence[str]) -> list[str]:
    """The parts that are struck: those that were asked for, else all of them.

    Raises:
        NoSuchPart: One was asked for that this stack does not have.
    """
    every = [*([KAFKA] if stack.local_kafka_port else []), *(part.name for part in stack.parts)]
    for name in asked:
        if name not in every:
            raise NoSuchPart(name, every)
    return list(asked or every)


async def play(stack: Stack, seed: int, strikes: Sequence[ProcessStrike], as_json: bool) -> bool:
    """Run ``stack`` while ``strikes`` strike it; return whether everything came back and reconciled.

    Raises:
        StockTrackerError: Something did not come up, halted, or was not worked through in time.
        PortTaken, KafkaUnavailable: Kafka did not come up.
    """
    began = time.monotonic()
    verdicts: list[bool] = []

    def report(chaos: Chaos, verification: Verification, messages: int) -> None:
        kinds = [difference.kind for difference in verification.differences]
        machine = Machine(os.cpu_count() or 1, round(os.getloadavg()[1], 1))
        told = ChaosReport(seed, chaos.recoveries, suspicions(kinds, chaos.recoveries), chaos.cuts_refused, machine)
        verdicts.append(told.all_came_back and verification.reconciled)
        _report(told, verification, messages, time.monotonic() - began, as_json)

    async def run(display: Display) -> None:
        async with running(stack, display.tell) as up, display.watching(up):
            if up.simulator is None or stack.options.seconds is None:
                raise AssertionError  # chaos plays a simulated day of some length
            chaos = Chaos(up, strikes)
            await played_and_drained(up, up.simulator, stack.options.seconds, chaos.run)
            report(chaos, await verified(up, up.simulator), up.watcher.messages)

    ended = await until_signalled(run)
    if verdicts:
        return verdicts[0]
    if not ended and as_json:
        print(json.dumps({"reconciled": False, "stopped": STOPPED}), flush=True)
    return False


def _report(chaos: ChaosReport, verification: Verification, messages: int, seconds: float, as_json: bool) -> None:
    if as_json:
        told = {"chaos": chaos.as_json(), "gateway_messages": messages, "seconds": round(seconds, 1)}
        print(json.dumps(verification.as_json() | told), flush=True)
        return
    for line in (*chaos.sentences(), *verification.sentences()):
        print(line)
    print(f"All of it took {seconds:.0f} s", flush=True)

"""Two workers of each agent under random kills and stops: nothing lost, nothing twice."""

import random
import signal
import threading
import time

import pytest

from tests.integration.harness import Workers, check_everything, send, simulated, with_broken

FAULTS_S = 10.0
CHAOS = 4
"""How many times as many seeds and records and as much time `make test-chaos` takes."""


def pytest_generate_tests(metafunc):
    chaos = CHAOS if metafunc.config.getoption("--chaos") else 1
    metafunc.parametrize(("seed", "size"), [(seed, chaos) for seed in range(1, 3 * chaos + 1)])


@pytest.mark.timeout(900)
def test_random_kills_of_two_workers_change_no_result(seed, size, tmp_path, kafka_settings, topics):
    chance = random.Random(seed)
    reviews, values = simulated(900 * size, seed=seed)
    values = with_broken(values, 30)
    workers = Workers(tmp_path, kafka_settings)
    feeder = threading.Thread(target=feed, args=(kafka_settings, values))
    try:
        for agent in ("digest", "summarize"):
            for slot in (0, 1):
                workers.start(agent, slot)
        feeder.start()
        faults = kill_at_random(workers, chance, FAULTS_S * size)
        feeder.join()
        workers.rest(len(values), timeout_s=120 * size)
        assert faults >= 4
        check_everything(workers, reviews, broken=30)
    finally:
        workers.stop()


def feed(kafka_settings, values):
    for start in range(0, len(values), 60):
        send(kafka_settings, values[start : start + 60])
        time.sleep(0.3)


def kill_at_random(workers, chance, faults_s):
    faults, deadline = 0, time.monotonic() + faults_s
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(0.8, 2.5))
        process = workers.processes[chance.choice(sorted(workers.processes))]
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        process.wait(20)
        workers.keep_up()
        faults += 1
    return faults

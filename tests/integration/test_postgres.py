"""What only a database server can do to workers: go away, come back, refuse, fill up, free what a zombie holds."""

import signal
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.store_errors import StoreError
from streams.worker import REFUSED
from tests.integration.harness import Workers, check_everything, send, simulated, wait_until
from tests.postgres import PostgresServer

GIVEN_UP = 70
FREED_S = 20.0
"""Kafka notices a stopped member after 10 s and hands its partitions on; by then Postgres has freed their rows."""

ROLE = "CREATE ROLE worker LOGIN; GRANT CREATE ON DATABASE postgres TO worker"


@pytest.fixture
def server():
    """A server of this test's own: it is killed, filled and locked."""
    with PostgresServer.running() as server:
        server.execute(*ROLE.split("; "))
        yield server


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, server):
    workers = Workers(tmp_path, kafka_settings, MILLRACE_SQL=server.url(user="worker"))
    yield workers
    workers.stop()


def applied(workers):
    try:
        return workers.query("digest", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
    except StoreError:  # not made yet, or its server is away
        return 0


def stopped(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def awake(workers, process):
    told = workers.beat("digest")
    return f'"pid":{process.pid},' in told and '"running"' in told


def told_by(workers, agent, line):
    return lambda: line in workers.beat(agent)


def test_two_workers_of_each_agent_on_one_server_end_exact(workers, kafka_settings):
    reviews, values = simulated(400, products=3)  # few products: both partitions touch each
    mixed = [(str(number).encode(), value) for number, (_, value) in enumerate(values)]
    for agent in ("digest", "summarize"):
        for slot in (0, 1):
            workers.start(agent, slot)
    send(kafka_settings, mixed)
    workers.rest(len(values), keep_up=False)
    kept = workers.query("digest", "SELECT count(*) FROM reviews")
    assert kept == [(len(reviews),)]
    (counted,) = workers.query("digest", "SELECT sum(review_count), count(*) FROM products")
    assert counted == (len(reviews), 3)
    assert all(process.poll() is None for process in workers.processes.values())


def test_what_a_zombie_holds_inside_a_transaction_is_freed_by_the_server_and_its_waking_does_no_harm(
    workers, kafka_settings
):
    reviews, values = simulated(300)
    zombie = workers.start("digest", slot=0, MILLRACE_CRASH_AT="in_transaction:2:STOP")
    workers.start("digest", slot=1)
    workers.start("summarize")
    wait_until(told_by(workers, "digest", '"running"'), 60, told=workers.told)
    send(kafka_settings, values)
    wait_until(lambda: stopped(zombie), 60, told=workers.told)
    began = time.monotonic()
    wait_until(lambda: applied(workers) == len(values), 60, told=workers.told)
    assert time.monotonic() - began < FREED_S
    assert stopped(zombie)
    zombie.send_signal(signal.SIGCONT)
    workers.rest(len(values))
    wait_until(lambda: zombie.poll() is not None or awake(workers, zombie), 30, told=workers.told)
    assert zombie.poll() in (None, GIVEN_UP)  # it decides again, or it was not let back into the group
    check_everything(workers, reviews)


def test_workers_that_start_while_the_server_is_down_or_lose_it_go_on_when_it_is_back(workers, kafka_settings, server):
    reviews, values = simulated(300)
    send(kafka_settings, values[:150])
    server.stop()
    processes = [workers.start("digest"), workers.start("summarize")]
    wait_until(told_by(workers, "digest", '"waiting_for_database"'), 60, told=workers.told)
    wait_until(told_by(workers, "digest", "the database does not answer"), 30, told=workers.told)
    assert [process.poll() for process in processes] == [None, None]
    server.start()
    wait_until(lambda: applied(workers) > 0, 60, told=workers.told)
    server.kill()
    send(kafka_settings, values[150:])
    wait_until(lambda: processes[0].poll() == GIVEN_UP, 60, told=workers.told)  # the other may have nothing to do
    assert "Traceback" not in workers.log.read_text()
    workers.keep_up()
    wait_until(told_by(workers, "digest", '"waiting_for_database"'), 60, told=workers.told)
    server.start()
    workers.rest(len(values))
    check_everything(workers, reviews)


FAULTS = {
    "read only": (
        ["ALTER ROLE worker SET default_transaction_read_only = on"],
        ["ALTER ROLE worker RESET default_transaction_read_only"],
        "the database can only be read",
    ),
    "full": (
        [
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON millrace_digest.reviews EXECUTE FUNCTION full_disk()",
        ],
        ["DROP TRIGGER full_disk ON millrace_digest.reviews"],
        "the database is full",
    ),
    "without rights": (
        ["ALTER TABLE millrace_digest.reviews OWNER TO millrace"],
        ["ALTER TABLE millrace_digest.reviews OWNER TO worker"],
        "the database forbids it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_cannot_be_written_is_told_in_one_line_and_costs_nothing(
    fault, workers, kafka_settings, server
):
    breaks, repairs, told = FAULTS[fault]
    reviews, values = simulated(200)
    send(kafka_settings, values[:100])
    workers.start("digest")
    workers.start("summarize")
    wait_until(lambda: applied(workers) == 100, 60, told=workers.told)
    server.execute(*breaks)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'")
    send(kafka_settings, values[100:])  # an idle worker need not notice
    wait_until(told_by(workers, "digest", told), 60, workers.keep_up, workers.told)
    wait_until(lambda: workers.processes["digest", 0].poll() == GIVEN_UP, 60, told=workers.told)
    assert "Traceback" not in workers.log.read_text()
    assert applied(workers) == 100
    server.execute(*repairs)
    workers.rest(len(values))
    check_everything(workers, reviews)


REFUSALS = {
    "a wrong password": ("guarded", "the database refuses the login: password authentication failed"),
    "a database that is not there": ("worker@nowhere", 'there is no such database: database "nowhere" does not exist'),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_login_that_will_never_do_is_refused_and_never_shown(case, workers, server):
    who, told = REFUSALS[case]
    server.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    server.require_password("guarded")
    user, _, database = who.partition("@")
    url = server.url(database or "postgres", user, "hunter2")
    assert workers.start("digest", MILLRACE_SQL=url).wait(60) == REFUSED
    assert told in workers.beat("digest").replace("\\", "")
    assert "hunter2" not in workers.beat("digest") + workers.log.read_text()
    assert "Traceback" not in workers.log.read_text()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(workers, kafka_settings):
    _, values = simulated(60)
    send(kafka_settings, values[:30])
    first = workers.start("digest")
    wait_until(lambda: applied(workers) == 30, 60, told=workers.told)
    first.terminate()
    first.wait(20)
    stamp = sa.table("alembic_version", sa.column("version_num"))
    (version,) = workers.query("digest", "SELECT version_num FROM alembic_version")
    workers.change("digest", stamp.update().values(version_num="0099"))
    send(kafka_settings, values[30:])
    assert workers.start("digest").wait(60) == REFUSED
    assert f"is of version 0099, and this Millrace knows versions up to {version[0]}" in workers.beat("digest")
    with pytest.raises(StoreError, match="of version 0099"):
        workers.query("digest", "SELECT 1")

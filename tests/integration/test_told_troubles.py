"""What people are told when nothing comes: of an endpoint that does not write, and of a worker that refuses to run."""

import json

import pytest

from tests.fake_endpoint import FakeEndpoint, hangs, status
from tests.integration.command_line import CommandLine
from tests.integration.harness import Workers, send, simulated, wait_until


@pytest.fixture
def endpoint():
    with FakeEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def millrace(kafka_settings, topics, tmp_path):
    return CommandLine(kafka_settings, tmp_path)


@pytest.fixture
def failing(kafka_settings, topics, tmp_path, endpoint):
    """Workers whose model answers so, always, until its circuit opens."""
    environ = {"MILLRACE_WRITER": "openai:m", "MILLRACE_WRITER_URL": endpoint.url, "MILLRACE_WRITER_TIMEOUT_S": "0.5"}
    workers = Workers(tmp_path, kafka_settings, **environ, MILLRACE_WRITER_BREAKER_S="300")

    def fail(step):
        endpoint.script(*[step] * 1_000)
        send(kafka_settings, simulated(60)[1])
        workers.start("digest")
        workers.start("summarize")
        wait_until(lambda: '"circuits":{"http' in workers.beat("summarize"), 60, told=workers.told)
        wait_until(lambda: '"work_failing":0' not in workers.beat("summarize"), 60, told=workers.told)

    yield fail
    workers.stop()


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (status(401), "HTTP 401 Unauthorized: the endpoint refuses the key"),
        (hangs(), "no answer within"),
    ],
    ids=["a wrong key", "a hang"],
)
def test_an_endpoint_that_writes_nothing_is_told_wherever_people_look(failing, millrace, endpoint, step, told):
    failing(step)
    parts = {part["part"]: part for part in json.loads(millrace("status", "--json").stdout)["parts"]}
    assert parts["summarize"]["state"] == "stuck"
    assert told in parts["summarize"]["work_error"]
    assert parts["digest"]["state"] == "ok"
    (circuit,) = json.loads(millrace("usage", "--json").stdout)["circuits"]
    assert (circuit["endpoint"], told in circuit["reason"]) == (endpoint.url, True)
    waited = millrace("wait", "--for", "summarize", "--timeout", "1")
    assert waited.returncode == 4
    assert told in waited.stderr


def test_up_fails_when_a_worker_refuses_to_run_and_says_why_as_status_and_wait_do(millrace, kafka_settings, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    millrace.environ |= {"MILLRACE_METRICS_PORT": "0", "MILLRACE_WRITER": f"local:{model}"}
    send(kafka_settings, simulated(10)[1])
    try:
        up = millrace("up", "--only", "workers", "--detach")
        assert up.returncode == 1
        assert f"summarize refuses to run: writer local:{model}" in up.stdout
        assert "digest" in up.stdout.splitlines()[-1]  # runs all the same
        assert "summarize, answer cannot run" in up.stderr
        parts = {part["part"]: part for part in json.loads(millrace("status", "--json").stdout)["parts"]}
        assert parts["summarize"]["state"] == "restarting"
        assert f"writer local:{model}" in parts["summarize"]["refusal"]
        waited = millrace("wait", "--for", "summarize", "--timeout", "100")
        assert waited.returncode == 1  # at once: nobody will work
        assert f"summarize refuses to run, so nothing moves. writer local:{model}" in waited.stderr
        again = millrace("up", "--only", "workers", "--detach", MILLRACE_WRITER="extractive")
        assert "with other settings (writer): run `millrace down`, then `millrace up`" in again.stdout
    finally:
        millrace("down")

"""Those who keep the index and answer from it, and what must stand when they are at rest."""

from collections.abc import Sequence
from pathlib import Path

from pymilvus import MilvusClient

from infra.settings import KafkaSettings
from tests.chaos.answer_truth import AnswersStanding, check_dead_letters
from tests.chaos.faults import Crew
from tests.chaos.index_truth import LONGEST, IndexStanding
from tests.chaos.rest import REST_S, at_rest, check_nothing_waits
from tests.integration.harness import wait_until
from tests.streams.retrieval_world import BagOfWords

LEASE_S = "6"
"""Much less than in earnest: a frozen worker's work is done by another, and the frozen one comes back late."""

SWEEP_S = "3"
SWEPT_S = 90.0
"""Until rows that nobody knows are gone: whoever sweeps may be about to begin."""


class IndexCrew(Crew):
    """Two workers that keep the index, and two that answer from it; a fake in the place of the model.

    Args:
        home: Of the workers.
        kafka_settings: Their broker.
        milvus: Their vector store.
        environ: More settings.
    """

    agents: Sequence[str] = ("index", "answer")

    def __init__(self, home: Path, kafka_settings: KafkaSettings, milvus: str, **environ: str) -> None:
        super().__init__(
            home,
            kafka_settings,
            MILLRACE_MILVUS=milvus,
            MILLRACE_INDEX_CHUNK_CHARACTERS=str(LONGEST),
            MILLRACE_INDEX_SWEEP_S=SWEEP_S,
            MILLRACE_ANSWER_THRESHOLD="0",
            TEST_EMBEDDER="words",
            TEST_LEASE_S=LEASE_S,
            **environ,
        )
        self.milvus = milvus

    def drop_collections(self) -> None:
        """Take away what the vector store has of this crew: whoever starts it again waits for every collection."""
        client = MilvusClient(self.milvus, dedicated=True)
        for name in client.list_collections():
            if name.startswith(self.settings.prefix.replace("-", "_")):
                client.drop_collection(name)
        client.close()

    def check(self) -> AnswersStanding:
        """Wait for rest, hold everything against the truth, and return what was answered."""
        wait_until(lambda: at_rest(self), REST_S, self.keep_up, self.told)
        index = IndexStanding(self, self.milvus, BagOfWords())
        wait_until(lambda: self._swept(index), SWEPT_S, self.keep_up, self.told)
        check_nothing_waits(self, self.agents)
        index.check()
        answers = AnswersStanding(self, index)
        answers.check()
        check_dead_letters(self, index.truth.unreadable | index.reviews.unreadable | answers.truth.refused)
        assert answers.citing  # else nothing was held against anything
        assert "refusing to go on" not in self.log.read_text(errors="replace")
        print(index.told(), answers.told(), sep="\n")
        return answers

    def _swept(self, index: IndexStanding) -> bool:
        """Whether the vector store holds what the registry says: what the dead brought back goes a little later."""
        return sorted(row["id"] for row in index.milvus_rows()) == sorted(index.rows)

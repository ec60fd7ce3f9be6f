"""Where the vector store is, by the settings."""

from infra.settings import Settings
from infra.vectors.milvus import MilvusStore
from infra.vectors.vector_store import VectorStore


def open_vectors(settings: Settings) -> VectorStore:
    """Prepare the way to the vector store; nothing connects yet."""
    milvus = settings.milvus
    address = f"http://127.0.0.1:{milvus.local_port}" if milvus.uri is None else milvus.uri.reveal()
    return MilvusStore(address, None if milvus.token is None else milvus.token.reveal())

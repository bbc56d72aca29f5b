"""The cache of answers: what a question's key is, and where answers are kept."""

from maskbus.results.key import key_of
from maskbus.results.memory_store import MemoryStore
from maskbus.results.redis_store import RedisStore
from maskbus.results.store import ResultStore, StoreError

__all__ = ["MemoryStore", "RedisStore", "ResultStore", "StoreError", "key_of"]

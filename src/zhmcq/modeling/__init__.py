"""Models: loading them, their identity, and scoring and generating answers with them."""

from zhmcq.modeling._demo import demo_model
from zhmcq.modeling._dtype import load_model
from zhmcq.modeling._load import ModelSource, load_tokenizer

__all__ = ["ModelSource", "demo_model", "load_model", "load_tokenizer"]

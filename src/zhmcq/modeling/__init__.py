"""Models: loading them, telling them apart, and scoring and generating answers with them."""

from zhmcq.modeling.demo import demo_model
from zhmcq.modeling.load import ModelSource, load_model, load_tokenizer

__all__ = ["ModelSource", "demo_model", "load_model", "load_tokenizer"]

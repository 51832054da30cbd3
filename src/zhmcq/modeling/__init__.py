"""Models: loading them, telling them apart, and scoring and generating answers with them."""

from zhmcq.modeling.demo import demo_model

__all__ = ["demo_model"]

"""Models: loading them, telling them apart, and scoring and generating answers with them."""

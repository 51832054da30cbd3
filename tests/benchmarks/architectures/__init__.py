"""Every causal architecture as a tiny random model: what zhmcq makes of it."""

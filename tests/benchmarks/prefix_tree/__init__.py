"""The parts of ``bench_prefix_tree.py``: what each side does, and what is made of its figures."""

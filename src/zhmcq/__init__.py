"""Fine-tune LLaMA-family models with LoRA to answer Chinese multiple-choice questions."""

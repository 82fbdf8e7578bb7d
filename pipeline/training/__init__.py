"""Train a network: batches, schedules, fine-tuning, distillation, checkpoints and data parallelism."""

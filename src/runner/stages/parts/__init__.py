"""What several stages share: fine-tuning, teachers, pruning rounds, mixed precision, what is kept."""

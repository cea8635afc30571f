"""Distillation: a trained network, the teacher, guides the training of a smaller or rounded one, the student."""

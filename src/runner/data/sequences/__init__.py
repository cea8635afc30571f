"""Texts as sequences of tokens: alphabets, buckets of similar length, names."""

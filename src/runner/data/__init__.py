"""Data modules and batches; the kinds of data lie in packages of their own."""

"""Commands about what can be chosen: its lists, its files, and the schema of what YAML may hold."""

"""What makes a configuration: the catalog of choices, composition, overrides, and rules that check it without torch."""

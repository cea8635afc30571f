"""Graphs: one large graph whose nodes are told apart, or many small ones."""

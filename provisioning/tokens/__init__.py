"""Tokens of other systems that are kept here: one small class for each, with the same methods."""

"""Parsers under bytes that nobody meant: targets, mutator, kept inputs (docs/development.md)."""

"""A class on one server: who takes part, their keys, and what they are handed."""

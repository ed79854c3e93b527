"""Hosts over SSH: sessions with pinned keys, facts, delivery, hooks under operation ids."""

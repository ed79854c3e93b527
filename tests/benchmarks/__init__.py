"""Counts behind the figures of docs/performance.md: exact, so that they hold on any machine."""

"""Events in, commands out: tables for a proposal, a rollout and a task."""

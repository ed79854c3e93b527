"""Forges: what each says is translated into reconciler.state.forge."""

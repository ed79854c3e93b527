"""What `reconciler serve` answers over HTTP: webhooks that say "look now", health and metrics.

Knows HTTP and nothing of plans. The rule: nothing that comes in over the network is believed; it only asks for a look.
"""

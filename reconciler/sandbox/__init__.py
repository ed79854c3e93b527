"""An embedded cluster and embedded hosts for the demo and the default tests; never a production target."""

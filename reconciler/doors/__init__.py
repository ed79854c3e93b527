"""What people ask for from their own machine: readings, decisions, orders. The command line prints what these say."""

"""Who may decide what, and whether what was decided still holds. Pure: contracts/gate.md as code."""

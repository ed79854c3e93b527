"""Plan -> Markdown, state -> commit status, event <-> audit record. Pure text."""

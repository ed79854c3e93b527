"""What users write: kinds, parsing with places, loading, resolving, schemas.

Knows the text of the repository and nothing of targets, plans or forges. Rule: every problem is found and named with
`file:line:column`, and nothing that could not be read is ever taken for something that was removed.
"""

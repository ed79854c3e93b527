"""Everything that speaks Git: objects by pygit2, transport by the hardened command line, signatures, the audit branch.

Knows nothing of specs, plans or forges. No work tree is ever checked out, and no code of a repository is ever run.
"""

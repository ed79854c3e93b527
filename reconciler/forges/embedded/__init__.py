"""The forge that needs nothing but a bare repository: pull requests as a signed, append-only log under one ref.

    record    what one record says, its caps and its canonical bytes
    fold      records -> pull requests, comments, reviews, statuses; the only judge of what a record may do
    log       records <-> commits of refs/reconciler/forge, by compare-and-swap
    landing   whether a merge that a record claims really happened
    merging   making a merge, a squash or a rebase
    forge     the ports that the reconciler uses
    person    the verbs of people

The rule of all of them: whoever can push can write here, so a record counts only for what its signature, the records
before it and the commits themselves prove; anything else is ignored and reported, and never stops the reading.
"""

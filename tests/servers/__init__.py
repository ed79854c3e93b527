"""Real servers for tests: a Kubernetes API server on loopback, hosts with OpenSSH in namespaces of this machine, and
a whole cluster with a node on such a host.

Every server is found by an environment variable first, then in a cache outside the repository, else it is made. Nothing
here listens on an address that another machine can reach, and nothing it starts outlives the test run.
"""

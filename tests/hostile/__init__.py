"""Input that means harm, made at test time from a seed: read, refused with a place, and nothing else happens."""

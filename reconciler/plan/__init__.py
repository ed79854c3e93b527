"""Desired x observed -> Plan. Values only: no client, no clock, no file."""

"""What hostile input once broke, one file for each: shown red before the fix that stands beside it."""

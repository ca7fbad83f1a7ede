"""One port for all of AWS, and a process behind it for each region."""

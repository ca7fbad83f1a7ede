"""What a fault of one dependency does to the others, in virtual time: the matrix on docs/blast-radius.md."""

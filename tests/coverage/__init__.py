"""Which test proves which requirement: reads the rows and the tests' marks, writes docs/requirements.md."""

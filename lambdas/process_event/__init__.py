"""Queue to alert: parse, extract, classify, aggregate, link, and send what follows from it."""

"""Drills: a load, faults and what must hold, carried out, measured and judged."""

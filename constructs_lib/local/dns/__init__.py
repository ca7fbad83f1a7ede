"""Route 53: health checks that are carried out, and a front door that obeys them."""

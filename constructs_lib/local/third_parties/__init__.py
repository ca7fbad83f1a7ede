"""What functions call outside AWS: a proxy on loopback that passes their calls on, and can make any host fail."""

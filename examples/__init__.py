"""Small CDK apps made of the constructs; a test synthesizes and runs each."""

"""How long quiet tenants wait beside a noisy one: a model of SQS fair queues and Lambda's pollers, and bounds for it."""

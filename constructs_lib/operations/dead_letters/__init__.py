"""Dead letters of a queue consumer: look at them, send them again, or discard them.

SQS moves a message here by itself when it was delivered too often; the consumer puts one here that can never succeed.
SQS's own redrive takes the first kind only, says no reason, and cannot choose; this takes both.
"""

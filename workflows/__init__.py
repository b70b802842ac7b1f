"""Durable steps: one module an operation, under the operation's name. Holds no code: the sandbox imports it often."""

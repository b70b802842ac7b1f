"""What starts workflows without a person. Idempotent by workflow id, so that every worker may watch."""

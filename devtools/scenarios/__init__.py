"""Stories that are played without hands on the local world: one module each, with `play(stack, told)`."""

"""Decision tokens: who did what to which run, signed by the bot's key.

`make` signs (bot), `keyring` and `verify` check (worker's interceptor, signer, archive), `interceptor` puts the check
before every update's validator. What a token may say is `operations.messages`; who may decide is `domain.roles`.
"""

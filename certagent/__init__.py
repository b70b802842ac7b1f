"""The init container of every database pod and of the client pod.

It makes the private key inside the pod, asks for a certificate with a CertificateSigningRequest, waits for a person's
decision, checks what was issued and writes the files that the database reads. It approves and signs nothing:
evidence and approval live in `workflows/certify.py`, signing in `activities/certificates.py`, the pods' objects in
`activities/manifests`.

It imports nothing of ours, so that the image layer that holds a node's key holds little else. It uses the blocking
`kubernetes` client: importing it takes 0.5 s of CPU against 0.8 s for `kubernetes.aio`, and one pod waits for one
object, so that an event loop would bring nothing.
"""

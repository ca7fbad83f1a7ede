"""The local cloud: run any CDK app on this machine.

It works from a synthesized cloud assembly and knows nothing of who made it: an app of ours and an app of a stranger
take the same way. `LocalCloud` (in `constructs_lib.local.cloud`) puts the parts together; `resilience local up` is
the command for it.
"""

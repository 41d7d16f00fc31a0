"""A stand-in for Pulumi's `aws` resource provider, over the local cloud's API.

It speaks the types and property names of pulumi-aws 7, so the programs that deploy to AWS deploy here unchanged. It
implements what the projects use and refuses everything else by name; it refuses, too, what AWS is known to refuse and
the local cloud lets pass. It is a test fixture and a demo: it cannot be configured for AWS.

`servicer` speaks the engine's protocol, `lifecycle` carries it out on any type, `resource` is what a type is, and the
modules named after AWS services are the types.
"""

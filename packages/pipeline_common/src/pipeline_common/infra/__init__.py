"""What the projects' programs share: typed configuration, contracts between stacks, the provider, archives, policies.

The only part of pipeline_common that imports Pulumi.
"""

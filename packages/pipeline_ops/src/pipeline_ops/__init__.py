"""The operator's commands: deploying the pipeline's stacks with Pulumi, to AWS or to a local cloud."""

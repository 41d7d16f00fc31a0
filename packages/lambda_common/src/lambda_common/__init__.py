"""What the functions share: how they are configured, called, told apart from replicas, and how they give up."""

"""What workflows need beside the operator's commands: previews and drift as Markdown, and where GitHub shows them."""

"""The delivery of the pipeline from GitHub's workflows to one AWS account."""

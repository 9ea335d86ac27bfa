"""Meters Amazon Bedrock, through botocore."""

"""What runs inside Lambda on behalf of the constructs: standard library, boto3 and Powertools, never aws_cdk."""

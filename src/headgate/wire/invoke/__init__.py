"""Amazon Bedrock's InvokeModel: the formats of the makers of models, in Bedrock's envelope.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html. Whole bodies are the maker's
own; a stream's events come one by one as base64 in frames of an event stream. `envelope.py` puts any dialect into
it, `makers.py` says what differs between them. Which dialect is inside is said by whoever composes them.
"""

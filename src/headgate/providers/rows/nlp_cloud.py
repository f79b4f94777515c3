"""NLP Cloud. https://docs.nlpcloud.com"""

from headgate.providers.base import Auth, Provider

ROW = Provider(
    id="nlp_cloud",
    name="NLP Cloud",
    dialect="nlp_generation",
    base_url="https://api.nlpcloud.io/v1",
    base_url_env=("NLP_CLOUD_API_BASE",),
    api_key_env=("NLP_CLOUD_API_KEY",),
    auth=Auth(scheme="Token"),
    paths={"chat": "/gpu/{model}/generation", "embeddings": "/{model}/embeddings"},
    dialects={"embeddings": "sentences_embeddings"},
    stream_usage="refused",
)

import os


class Config:
    """Stargazer's, as far as the jobs read it. ka_enabled follows the environment, for the tests."""

    stand_in = "config"
    redis_url = "unix:///redis"
    api_key = "secret"
    kg_extraction_model = "extraction-model"
    ka_extraction_http_timeout_seconds = 20

    def __init__(self):
        self.llm_base_url = os.environ.get("STAND_IN_LLM", "http://127.0.0.1:9") + "/v1/"
        self.ka_enabled = os.environ.get("STAND_IN_KA", "on") == "on"

    @classmethod
    def load(cls):
        return cls()

"""How Stargazer's own workers ask a language model (SPEC section 2.5)."""

import asyncio
import http.client
import json
import logging
import time
import urllib.parse

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
TEMPERATURE = 0.1
TOKENS_MAX = 4096
TOO_MANY_REQUESTS = 429


class LlmError(Exception):
    """The language model could not be asked, or did not answer with a text."""


def through_openrouter(openrouter, model):
    """An LLM call for the anchoring's loops: one message of the user, by Stargazer's own client."""

    async def llm_call(prompt, response_format=None):
        return await openrouter.chat(
            messages=[{"role": "user", "content": prompt}], override_model=model, response_format=response_format
        )

    return llm_call


def through_proxy(config):
    """An LLM call to the keyless proxy at config.llm_base_url. Too many requests are an empty answer; everything else
    that goes wrong is an error, so that the worker can try again."""
    url = urllib.parse.urlsplit(config.llm_base_url.rstrip("/") + "/chat/completions")
    timeout_s = float(config.ka_extraction_http_timeout_seconds)

    async def llm_call(prompt, response_format=None):
        request = {
            "model": config.kg_extraction_model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": TEMPERATURE,
            "max_tokens": TOKENS_MAX,
        }
        if response_format:
            request["response_format"] = response_format
        exchange = _Exchange(url, json.dumps(request).encode(), timeout_s)
        try:
            status, body = await asyncio.wait_for(asyncio.to_thread(exchange.carry_out), timeout_s)
        except asyncio.TimeoutError:
            exchange.abandon()
            raise LlmError(f"{config.llm_base_url}: no answer within {timeout_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise LlmError(f"{config.llm_base_url}: {type(error).__name__}: {error}") from error
        return _content(config.llm_base_url, status, body)

    return llm_call


class _Exchange:
    """One request, made in a thread of its own."""

    def __init__(self, url, body, timeout_s):
        self._url = url
        self._body = body
        self._deadline = time.monotonic() + timeout_s
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(url.hostname, url.port, timeout=min(CONNECT_TIMEOUT_S, timeout_s))

    def carry_out(self):
        """The status and the body."""
        try:
            self._connection.connect()
            self._connection.sock.settimeout(max(0.01, self._deadline - time.monotonic()))
            target = self._url.path + ("?" + self._url.query if self._url.query else "")
            self._connection.request("POST", target, self._body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            return response.status, response.read()
        finally:
            self._connection.close()

    def abandon(self):
        """Whoever waited does so no more; the thread ends at its own deadline at the latest."""
        self._connection.close()


def _content(base_url, status, body):
    if status == TOO_MANY_REQUESTS:
        logger.warning("the extraction proxy has had too many requests (429)")
        return ""
    if status >= 300:
        raise LlmError(f"{base_url}: HTTP status {status}: {body[:200].decode(errors='replace')}")
    try:
        answer = json.loads(body)
        choices = answer.get("choices") or [{}]
        content = choices[0].get("message", {}).get("content", "")
    except (ValueError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise LlmError(f"{base_url}: the answer is not that of a chat: {error}") from error
    if not content:
        raise LlmError(f"{base_url}: the answer is empty")
    return content

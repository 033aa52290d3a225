"""channel_summarization with a real Redis and an OpenAI-compatible endpoint, good and bad."""

import datetime
import json
import threading
import time
import unittest

from job_harness import HELD, HELD_BUT_STOP, Job, JobTest
from model_server import GOOD, ModelServer, completion

SUMMARY = "stargazer:last1k_summary:"
OVERALL = "stargazer:mru_summary"
QUICK = {"backoff_min": "10ms", "backoff_max": "50ms"}


class SummarizationTest(JobTest):
    job = "channel_summarization"

    def setUp(self):
        super().setUp()
        self.start_redis()

    def model(self, behave=None):
        self.endpoint = ModelServer(behave)
        self.addCleanup(self.endpoint.server_close)
        self.addCleanup(self.endpoint.shutdown)
        self.setup["openrouter"] = {"base_url": self.endpoint.url, "api_key_file": ""}
        return self.endpoint

    def channel(self, name, messages=300, newest=None, text="hello {n}"):
        """A channel with messages one second apart, the last of them `newest` (default: an hour ago)."""
        newest = time.time() - 3600 if newest is None else newest
        pipe = self.client.pipeline()
        for n in range(messages):
            at = newest - (messages - 1 - n)
            key = f"msg:{name}-{n}"
            fields = {"user_id": f"u{n % 7}", "user_name": f"User {n % 7}", "platform": name.split(":")[0],
                      "channel_id": name.split(":", 1)[1], "text": text.format(n=n), "timestamp": at,
                      "message_id": f"m{n}", "reply_to_id": f"m{n - 1}" if n % 10 == 9 else "", "kind": "user_in"}
            pipe.hset(key, mapping=fields)
            pipe.zadd(f"channel_msgs:{name}", {key: at})
        pipe.execute()

    def summary(self, channel_id):
        return json.loads(self.client.get(SUMMARY + channel_id))

    def test_ten_channels_of_300_messages(self):
        model = self.model()
        now = time.time()
        for number in range(12):
            self.channel(f"discord:c{number}", newest=now - 100 * number)
        job = self.assert_ok(self.run_job())

        self.assertEqual(job.logged, ["Channel summarization processed 10 channel(s)"])
        self.assertEqual(job.counters, {"channels": 10, "unchanged": 0, "questions": 11})
        keys = sorted(key.decode() for key in self.client.keys("stargazer:*"))
        self.assertEqual(keys, sorted([f"{SUMMARY}c{number}" for number in range(10)] + [OVERALL]))
        for key in keys:
            self.assertTrue(604_800 - 60 < self.client.ttl(key) <= 604_800, key)
        summary = self.summary("c3")
        generated_at = datetime.datetime.fromisoformat(summary.pop("generated_at").replace("Z", "+00:00"))
        self.assertLess(abs(generated_at.timestamp() - time.time()), 60)
        expected = {key: GOOD[key] for key in GOOD if key != "key_themes"}
        self.assertEqual(summary, {**expected, "channel_id": "c3", "platform": "discord", "message_count": 300})
        overall = json.loads(self.client.get(OVERALL))
        self.assertEqual((overall["overview"], overall["key_themes"]), (GOOD["overview"], ["weather"]))
        self.assertEqual(len(overall["channels"]), 10)
        self.assertEqual(len(job.events), 10)
        self.assertEqual({(event["source"], event["status"]) for event in job.events}, {("channel_summarizer", "ok")})
        self.assertEqual(job.progress[0][:2], (0, 11))
        self.check_request(model)

    def check_request(self, model):
        path, headers, body = model.asked[0]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertNotIn("Authorization", headers)
        self.assertEqual(body["model"], "gemini-3-flash-preview")
        self.assertNotIn("tools", body)
        self.assertEqual([message["role"] for message in body["messages"]], ["system", "user"])
        lines = body["messages"][1]["content"].splitlines()
        self.assertEqual(len(lines), 300)
        first = r"^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] User 0 \(user u0, message m0\): hello 0$"
        self.assertRegex(lines[0], first)
        self.assertRegex(lines[9], r"User 2 \(user u2, message m9, reply to m8\): hello 9$")
        self.assertRegex(lines[299], r": hello 299$")

    def test_a_transcript_keeps_what_is_new_within_its_limit(self):
        model = self.model()
        self.channel("discord:c", text="ä" * 600 + " {n}")
        self.assert_ok(self.run_job())
        transcript = model.asked[0][2]["messages"][1]["content"]
        self.assertTrue(119_000 < len(transcript) <= 120_000, len(transcript))
        self.assertTrue(transcript.endswith(" 299\n"))
        self.assertEqual(self.summary("c")["message_count"], len(transcript.splitlines()))

    def test_texts_cannot_forge_a_line_or_break_the_request(self):
        model = self.model()
        self.channel("discord:c", 2)
        hostile = b"a\n[2026] Ann: b\x1b[0m\0\xff \"quoted\" \\"
        self.client.hset("msg:discord:c-0", mapping={"text": hostile, "user_name": ""})
        self.assert_ok(self.run_job())
        lines = model.asked[0][2]["messages"][1]["content"].split("\n")
        self.assertEqual(len(lines), 3)
        self.assertIn('u0 (user u0, message m0): a [2026] Ann: b [0m \ufffd "quoted" \\', lines[0])

    def test_a_run_again_asks_only_what_is_new(self):
        model = self.model()
        for number in range(3):
            self.channel(f"discord:c{number}", 5)
        self.assert_ok(self.run_job())
        self.assertEqual(len(model.asked), 4)
        job = self.assert_ok(self.run_job())
        self.assertEqual((len(model.asked), job.counters["unchanged"]), (4, 3))
        self.channel("discord:c1", 6, newest=time.time() + 5)
        job = self.assert_ok(self.run_job())
        self.assertEqual(job.counters, {"channels": 1, "unchanged": 2, "questions": 2})
        self.assert_ok(self.run_job(skip_unchanged=False))
        self.assertEqual(len(model.asked), 10)

    def test_matrix_ids_keep_their_colons_and_strange_keys_are_passed_over(self):
        self.model()
        self.channel("matrix:!room:example.org", 3)
        self.client.set("channel_msgs:discord:text", "x")
        for key in ["channel_msgs:", "channel_msgs:x", "channel_msgs::y", "channel_msgs:z:"]:
            self.client.zadd(key, {"msg:1": 1})
        self.client.zadd("channel_msgs:discord:expired", {"msg:gone": 5})
        job = self.assert_ok(self.run_job())
        self.assertEqual(job.counters, {"channels": 1, "unchanged": 0, "questions": 2, "empty": 1})
        summary = self.summary("!room:example.org")
        self.assertEqual((summary["platform"], summary["channel_id"]), ("matrix", "!room:example.org"))

    def test_answers_that_do_not_parse_are_kept_as_they_are(self):
        answers = {
            "text": "They spoke of {the weather.",
            "fence": "```json\n" + json.dumps(GOOD) + "\n```",
            "words": "Here it is: " + json.dumps(GOOD) + " I hope it helps.",
            "types": json.dumps({"overview": 5, "key_topics": "one", "active_users": {"a": 1}, "mood": None}),
            "deep": '{"overview": ' + "[" * 50_000,
        }
        order = list(answers)
        self.model(lambda handler, number: handler.answer(200, completion(answers[order[min(number, 5) - 1]])))
        now = time.time()
        for place, name in enumerate(order):
            self.channel(f"discord:{name}", 3, newest=now - 100 * place - 100)
        self.assert_ok(self.run_job())
        self.assertEqual(self.summary("text")["raw"], answers["text"])
        self.assertEqual(self.summary("text")["overview"], answers["text"])
        self.assertEqual(self.summary("text")["key_topics"], [])
        for name in ["fence", "words"]:
            self.assertEqual(self.summary(name)["mood"], "calm")
            self.assertNotIn("raw", self.summary(name))
        types = self.summary("types")
        self.assertEqual((types["overview"], types["key_topics"], types["active_users"], types["mood"]),
                         ("", ["one"], [], ""))
        self.assertEqual(self.summary("deep")["raw"], answers["deep"])

    def one_channel(self, behave, **settings):
        """Runs the job over one channel with an endpoint that behaves so."""
        model = self.model(behave)
        self.channel("discord:c", 3)
        return model, self.run_job(**{**QUICK, **settings})

    @staticmethod
    def good(handler):
        handler.answer(200, completion(json.dumps(GOOD)))

    def test_retries_until_it_answers(self):
        def behave(handler, number):
            if number == 1:
                handler.answer(500, b"oops")
            elif number == 2:
                handler.answer(200, b"garbage")
            elif number == 3:
                handler.answer(200, completion(json.dumps(GOOD))[:20], length=500)  # closed half-way
            else:
                self.good(handler)

        model, job = self.one_channel(behave)
        self.assert_ok(job)
        self.assertEqual(job.counters["questions"], 5)
        self.assertEqual(self.summary("c")["mood"], "calm")
        self.assertIn("HTTP 500: oops; the next try in 10ms", job.logged)
        self.assertIn("the answer is no JSON; the next try in 20ms", job.logged)

    def test_429_waits_for_as_long_as_it_says(self):
        times = []

        def behave(handler, number):
            times.append(time.monotonic())
            if number == 1:
                handler.answer(429, b'{"error": {"message": "slow down"}}', Retry_After="2")
            else:
                self.good(handler)

        _, job = self.one_channel(behave, backoff_max="10s")
        self.assert_ok(job)
        self.assertTrue(1.9 < times[1] - times[0] < 8, times)
        self.assertIn("HTTP 429: slow down; the next try in 2s", job.logged)

    def test_retry_after_is_bounded(self):
        def behave(handler, number):
            if number == 1:
                handler.answer(429, b"{}", Retry_After="3600")
            else:
                self.good(handler)

        self.assert_ok(self.one_channel(behave)[1])

    def test_what_never_gets_better_fails_after_the_tries(self):
        cases = {
            "HTTP 500: down": lambda handler, number: handler.answer(500, b'{"error": "down"}'),
            "HTTP 429: {}": lambda handler, number: handler.answer(429, b"{}", Retry_After="0"),
            "the answer is no JSON": lambda handler, number: handler.answer(200, b""),
            "the answer has no choices": lambda handler, number: handler.answer(200, b'{"choices": []}'),
            "the answer has no text": lambda handler, number: handler.answer(200, b'{"choices": [{"message": 1}]}'),
            "the answer is empty": lambda handler, number: handler.answer(200, completion(" \n")),
        }
        for expected, behave in cases.items():
            with self.subTest(expected):
                self.client.flushall()
                model, job = self.one_channel(behave, tries=3)
                self.assertEqual((job.outcome, job.error), ("failed", "ModelError"))
                self.assertIn(f"discord:c: {expected}, after 3 tries", job.message)
                self.assertEqual(len(model.asked), 3)
                self.assertEqual(self.client.keys("stargazer:*"), [])
                [event] = job.events
                self.assertEqual((event["status"], event["preview"]), ("error", f"error={expected}, after 3 tries"))

    def test_no_use_asking_again(self):
        for status, calls in {400: 2, 401: 1, 403: 1, 404: 1}.items():
            with self.subTest(status):
                self.client.flushall()
                self.channel("discord:other", 3)
                model, job = self.one_channel(lambda handler, number: handler.answer(status, b"no"))
                self.assertIn(f"HTTP {status}: no", job.message)
                self.assertEqual((job.outcome, len(model.asked)), ("failed", calls))

    def test_one_channel_that_fails_does_not_keep_the_others(self):
        def behave(handler, number):
            if "poison" in handler.server.asked[number - 1][2]["messages"][1]["content"]:
                handler.answer(400, b"refused")
            else:
                self.good(handler)

        self.model(behave)
        self.channel("discord:good", 3)
        self.channel("discord:bad", 3, text="poison")
        job = self.run_job(**QUICK)
        self.assertEqual(job.outcome, "failed")
        self.assertIn("1 of the questions failed; the last: discord:bad: HTTP 400: refused", job.message)
        self.assertEqual(self.summary("good")["mood"], "calm")
        self.assertTrue(self.client.exists(OVERALL))

    def test_slow_endless_and_silent_answers_end_in_time(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def drip(handler, number):
            handler.send_response(200)
            handler.end_headers()
            while not over.wait(0.05):
                handler.wfile.write(b" ")

        def flood(handler, number):
            handler.send_response(200)
            handler.end_headers()
            while not over.is_set():
                handler.wfile.write(b"x" * 65536)

        cases = [
            (lambda handler, number: over.wait(30), "Timeout was reached"),
            (drip, "Timeout was reached"),
            (flood, "the answer is longer than 100000 bytes"),
        ]
        for behave, expected in cases:
            with self.subTest(expected):
                begun = time.monotonic()
                _, job = self.one_channel(behave, request_timeout="500ms", tries=2, response_bytes_max=100_000)
                self.assertIn(expected, job.message)
                self.assertLess(time.monotonic() - begun, 20)

    def test_a_stop_ends_a_question_and_a_wait(self):
        asked = threading.Event()
        over = threading.Event()
        self.addCleanup(over.set)

        def hang(handler, number):
            asked.set()
            over.wait(60)

        def later(handler, number):
            asked.set()
            handler.answer(429, b"{}", Retry_After="50")

        self.channel("discord:c", 3)
        for behave in [hang, later]:
            asked.clear()
            self.model(behave)
            job = Job(self.job, self.params({"backoff_max": "1m"}))
            stopper = threading.Thread(target=lambda: asked.wait(30) and job.process.terminate())
            stopper.start()
            begun = time.monotonic()
            job.finish()
            stopper.join()
            self.assertEqual((job.outcome, job.error), ("failed", "Stopped"))
            self.assertLess(time.monotonic() - begun, 20)
            self.assertEqual(job.events, [])

    def test_a_stop_between_channels_and_a_second_run(self):
        model = self.model()
        for number in range(4):
            self.channel(f"discord:c{number}", 3)
        job = self.run_job(lambda n: HELD_BUT_STOP if n == 3 else HELD)
        self.assertEqual((job.outcome, job.error), ("failed", "Stopped"))
        self.assertEqual(len(self.client.keys(SUMMARY + "*")), 2)
        self.assert_ok(self.run_job())
        self.assertEqual(len(self.client.keys(SUMMARY + "*")), 4)
        self.assertEqual(len(model.asked), 5, "nothing was asked twice")

    def test_nothing_is_asked_or_written_without_the_lease(self):
        model = self.model()
        self.channel("discord:c", 3)
        job = self.run_job(lambda n: "lease expired")
        self.assertEqual((job.outcome, job.error), ("failed", "LeaseError"))
        self.assertEqual((model.asked, self.client.keys("stargazer:*")), ([], []))
        job = self.run_job(lambda n: HELD if n == 1 else "lease lost to other")
        self.assertEqual((job.message, self.client.keys("stargazer:*")), ("lease lost to other", []))

    def test_the_key_comes_from_a_file_and_is_never_shown(self):
        key = "sk-very-secret-0123456789"
        path = self.folder / "key"
        path.write_text(key + "\n")
        model = self.model(lambda handler, number: handler.answer(401, f"bad key {key}: {key}".encode()))
        self.setup["openrouter"]["api_key_file"] = str(path)
        self.channel("discord:c", 3)
        job = self.run_job()
        self.assertEqual(model.asked[0][1]["Authorization"], f"Bearer {key}")
        self.assertIn("HTTP 401: bad key [key]: [key]", job.message)
        self.assertNotIn(key, json.dumps(job.said))
        # It is not sent to another endpoint.
        other = ModelServer()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.assert_ok(self.run_job(base_url=other.url))
        self.assertNotIn("Authorization", other.asked[0][1])
        for text in ["", "two\twords", "\xff\n"]:
            path.write_text(text, encoding="latin-1")
            self.assertEqual(self.run_job().error, "SettingsError")

    def test_nothing_to_do(self):
        self.channel("discord:c", 3)
        self.assertIn("there is no language model", self.run_job().message)
        self.client.flushall()
        self.model()
        job = self.run_job()
        self.assertEqual((job.outcome, job.message), ("skipped", "there are no active channels"))

    def test_no_endpoint(self):
        self.channel("discord:c", 3)
        job = self.run_job(base_url="http://127.0.0.1:1/v1", tries=2, **QUICK)
        self.assertIn("Couldn't connect to server", job.message)

    def test_wrong_settings(self):
        job = self.run_job(base_url="file:///etc/passwd", channels=0, ttl="0s", tries=100, modell="x")
        self.assertEqual(job.error, "SettingsError")
        for key in ["base_url", "channels", "ttl", "tries", "modell"]:
            self.assertIn(f"settings.{key}: ", job.message)


if __name__ == "__main__":
    unittest.main()

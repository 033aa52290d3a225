"""scheduled_prompt_cleanup on a real Redis: which records go, which stay, what an index loses."""

import datetime
import json
import time
import unittest

from job_harness import HELD, HELD_BUT_STOP, JobTest

DAY = 86400


class CleanupTest(JobTest):
    job = "scheduled_prompt_cleanup"

    def setUp(self):
        super().setUp()
        self.start_redis()

    def prompt(self, name, status="executed", age_days=8.0, form="json", **fields):
        fields = {"status": status, "created_at": time.time() - age_days * DAY, **fields}
        fields = {key: value for key, value in fields.items() if value is not None}
        key = f"scheduled_prompt:{name}"
        if form == "json":
            self.client.set(key, json.dumps(fields))
        else:
            self.client.hset(key, mapping=fields)

    def left(self):
        return sorted(key.decode().removeprefix("scheduled_prompt:") for key in self.client.keys("scheduled_prompt:*"))

    def test_old_records_that_are_over_go(self):
        for form in ["json", "hash"]:
            for status in ["executed", "cancelled", "active", "scheduled"]:
                self.prompt(f"{form} {status} old", status, form=form)
                self.prompt(f"{form} {status} young", status, 6.9, form=form)
        job = self.assert_ok(self.run_job())
        expected = [f"{form} {status} {age}" for form in ["json", "hash"] for status in ["active", "scheduled"]
                    for age in ["old", "young"]]
        expected += [f"{form} {status} young" for form in ["json", "hash"] for status in ["executed", "cancelled"]]
        self.assertEqual(self.left(), sorted(expected))
        self.assertEqual(job.counters, {"seen": 16, "removed": 4})
        self.assertEqual(job.logged, ["deleted 4 records of prompts"])

    def test_the_latest_time_counts_in_whatever_form(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        old = (now - datetime.timedelta(days=8)).isoformat()
        young = (now - datetime.timedelta(days=6)).isoformat()
        zone = datetime.timezone(datetime.timedelta(hours=-11))
        self.prompt("old by text", created_at=old)
        self.prompt("old without zone", created_at=old.split("+")[0])
        self.prompt("old in another zone", created_at=(now - datetime.timedelta(days=7.1)).astimezone(zone).isoformat())
        self.prompt("old by number as text", created_at=str(time.time() - 9 * DAY))
        self.prompt("old by Z", created_at=old.split(".")[0] + "Z")
        self.prompt("young by a later field", created_at=old, last_execution=young)
        self.prompt("young by schedule", created_at=old, schedule_time=young)
        self.prompt("empty field", created_at=old, last_execution="")
        self.assert_ok(self.run_job())
        self.assertEqual(self.left(), ["young by a later field", "young by schedule"])

    def test_what_cannot_be_understood_stays_and_is_counted(self):
        self.client.set("scheduled_prompt:text", "no JSON")
        self.client.set("scheduled_prompt:array", "[1, 2]")
        self.client.set("scheduled_prompt:deep", "[" * 100_000)
        self.client.set("scheduled_prompt:long", json.dumps({"status": "executed", "created_at": 1, "x": "y" * 70_000}))
        self.client.set("scheduled_prompt:bytes", b"\xff\xfe\0")
        self.client.lpush("scheduled_prompt:list", "x")
        self.prompt("no time", created_at=None)
        self.prompt("odd time", created_at="yesterday")
        self.prompt("odd later time", last_execution="soon")
        self.prompt("impossible date", created_at="2026-02-30T00:00:00Z")
        self.prompt("negative", created_at=-5)
        self.prompt("status of another type", status=["executed"])
        self.prompt("old")
        job = self.assert_ok(self.run_job())
        self.assertNotIn("old", self.left())
        self.assertEqual(len(self.left()), 12)
        self.assertEqual(job.counters, {"seen": 12, "removed": 1, "unreadable": 6, "without_time": 5})

    def test_other_keys_are_never_touched(self):
        for key in ["scheduled_promptX", "x:scheduled_prompt:1", "other"]:
            self.client.set(key, json.dumps({"status": "executed", "created_at": 1}))
        self.assert_ok(self.run_job())
        self.assertEqual(len(self.client.keys("*")), 3)

    def test_a_prefix_is_no_pattern(self):
        record = json.dumps({"status": "executed", "created_at": 1})
        for key in ["p*[a]?\\:1", "pX[a]X\\:1", "pa:1"]:
            self.client.set(key, record)
        self.assert_ok(self.run_job(prefix="p*[a]?\\:"))
        self.assertEqual(sorted(self.client.keys("*")), [b"pX[a]X\\:1", b"pa:1"])

    def test_indexes_lose_what_is_deleted(self):
        self.prompt("a")
        self.prompt("b", "active")
        self.client.sadd("ids", "a", "b")
        self.client.zadd("by_time", {"scheduled_prompt:a": 1, "scheduled_prompt:b": 2})
        self.assert_ok(self.run_job(indexes=["ids", "by_time", "absent"]))
        self.assertEqual(self.client.smembers("ids"), {b"b"})
        self.assertEqual(self.client.zrange("by_time", 0, -1), [b"scheduled_prompt:b"])
        self.client.set("text", "x")
        job = self.run_job(indexes=["text"])
        self.assertIn("the key text is neither a set nor a sorted set", job.message)

    def test_a_record_that_changes_meanwhile_stays(self):
        self.prompt("revived")
        self.prompt("gone")

        def verify(number):
            self.prompt("revived", "active")
            self.client.delete("scheduled_prompt:gone")
            return HELD

        job = self.assert_ok(self.run_job(verify))
        self.assertEqual(self.left(), ["revived"])
        self.assertEqual(job.counters, {"seen": 2, "removed": 0, "changed_meanwhile": 2})

    def many(self, count):
        record = json.dumps({"status": "executed", "created_at": 1})
        self.client.mset({f"scheduled_prompt:{number}": record for number in range(count)})

    def test_a_stop_between_batches_and_a_second_run(self):
        self.many(5000)
        job = self.run_job(lambda n: HELD_BUT_STOP if n == 10 else HELD, batch=50)
        self.assertEqual((job.outcome, job.error), ("failed", "Stopped"))
        self.assertEqual(job.counters["removed"], len(range(5000)) - len(self.left()))
        self.assertTrue(0 < job.counters["removed"] <= 500, job.counters)
        self.assert_ok(self.run_job())
        self.assertEqual(self.left(), [])

    def test_nothing_changes_without_the_lease(self):
        self.many(10)
        job = self.run_job(lambda n: "lease expired")
        self.assertEqual((job.outcome, job.error, job.message), ("failed", "LeaseError", "lease expired"))
        self.assertEqual(len(self.left()), 10)

    def test_a_dry_run(self):
        self.many(10)
        job = self.assert_ok(self.run_job(dry_run=True))
        self.assertEqual(job.logged, ["dry run: 10 records of prompts would be deleted"])
        self.assertEqual((len(self.left()), job.verifications), (10, 0))

    def test_never_keys(self):
        self.many(2000)
        self.client.config_resetstat()
        self.assert_ok(self.run_job())
        commands = self.client.info("commandstats")
        self.assertNotIn("cmdstat_keys", commands)
        self.assertGreater(commands["cmdstat_scan"]["calls"], 2)

    def test_settings(self):
        self.client.hset("prompt/1", mapping={"state": "done", "at": 1})
        self.client.hset("prompt/2", mapping={"state": "open", "at": 1})
        self.assert_ok(
            self.run_job(prefix="prompt/", status_field="state", statuses=["done"], time_fields=["at"], keep="1h")
        )
        self.assertEqual(self.client.keys("*"), [b"prompt/2"])
        job = self.run_job(prefix="", keep="-1d", statuses=[], time_fields=["", 1], unknown=1)
        self.assertEqual(job.error, "SettingsError")
        for key in ["prefix", "keep", "statuses", "time_fields", "unknown"]:
            self.assertIn(f"settings.{key}: ", job.message)

    def test_passwords_come_from_a_file(self):
        self.server.kill()
        self.start_redis("--requirepass", "open sesame")
        self.client.execute_command("AUTH", "open sesame")
        self.many(1)
        self.assertIn("the server asks for a password", self.run_job().message)
        secret = self.folder / "password"
        secret.write_text("wrong one\n")
        self.setup["redis"]["password_file"] = str(secret)
        job = self.run_job()
        self.assertIn("refuses the user name or the password", job.message)
        self.assertNotIn("wrong one", json.dumps(job.said))
        secret.write_text("open sesame\n")
        self.assert_ok(self.run_job())
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    unittest.main()

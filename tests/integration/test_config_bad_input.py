"""Bad configuration through the program itself: exit 78, and a line with the place, the fault and what is allowed."""

import json
import re
import shutil
import textwrap
import unittest

import harness

TASK = '[tasks.a]\ninterval = "1m"\ncommand = ["/bin/true"]\n'


class ConfigurationThatIsBad(harness.DaemonTest):
    def refuse(self, path, *patterns):
        for arguments in ([], ["--check"]):
            with self.subTest(arguments=arguments):
                result = harness.subprocess.run(
                    [harness.BINARY, "--config", path, *arguments],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=harness.DEADLINE_S,
                )
                self.assertEqual(result.returncode, 78, result.stderr)
                for pattern in patterns:
                    self.assertRegex(result.stderr, pattern)
        return result.stderr

    def text(self, text, name="main.toml"):
        path = self.folder / name
        path.write_text('[scheduler]\ncatalogue = ""\n' + text)
        return path

    def test_typo(self):
        self.refuse(self.text('[tasks.a]\nintervall = "1m"\ncommand = ["/bin/true"]\n'),
                    r'main\.toml:4:1: tasks\.a\.intervall: .*interval')

    def test_wrong_type(self):
        self.refuse(self.text('[tasks.a]\ninterval = "1m"\ncommand = "/bin/true"\n'),
                    r"main\.toml:5:\d+: tasks\.a\.command: ")

    def test_duration_of_parsecs(self):
        self.refuse(self.text('[tasks.a]\ninterval = "5 parsecs"\ncommand = ["/bin/true"]\n'),
                    r'main\.toml:4:\d+: tasks\.a\.interval: "5 parsecs" is not a duration; allowed are .*"2h 30m"')

    def test_negative_interval(self):
        self.refuse(self.text('[tasks.a]\ninterval = -5\ncommand = ["/bin/true"]\n'),
                    r"main\.toml:4:\d+: tasks\.a\.interval: .*negative")

    def test_two_names_for_one_task(self):
        self.refuse(self.text(TASK + '[tasks.b]\ninterval = "1m"\naliases = ["c"]\ncommand = ["/bin/true"]\n'
                              '[tasks.c]\nenabled = false\n'),
                    r"main\.toml:\d+:\d+: tasks\.c: .*two names for one task")

    def test_one_task_twice(self):
        self.refuse(self.text(TASK + TASK), r"main\.toml:\d+:\d+: ")

    def test_one_task_twice_in_json(self):
        path = self.folder / "main.json"
        path.write_text('{"scheduler": {"catalogue": ""}, "tasks": {\n'
                        '"a": {"interval": 60, "command": ["/bin/true"]},\n'
                        '"a": {"interval": 60, "command": ["/bin/true"]}}}')
        self.refuse(path, r"main\.json:3:\d+: tasks\.a: ")

    def test_file_that_is_not_there(self):
        self.refuse(self.folder / "nowhere.toml", r"nowhere\.toml: cannot be read: No such file or directory")

    def test_directory(self):
        self.refuse(self.folder, r"stargazer-test-")

    def test_ten_megabytes(self):
        path = self.folder / "big.toml"
        path.write_text("# filler\n" * (10_000_000 // 9))
        errors = self.refuse(path, r"big\.toml: is \d+ bytes large, allowed are 1048576")
        self.assertEqual(errors.count("\n"), 1)

    def test_not_utf8(self):
        path = self.folder / "latin1.toml"
        path.write_bytes(b'[scheduler]\ncatalogue = ""\n# caf\xe9\n')
        self.refuse(path, r"latin1\.toml:3:\d+: .*UTF-8")

    def test_syntax(self):
        self.refuse(self.text("[tasks.a\n"), r"main\.toml:3:\d+: ")

    def test_password_file_that_is_not_there(self):
        self.refuse(self.text('[redis]\npassword_file = "/no/such/secret"\n'),
                    r"main\.toml: .*/no/such/secret: No such file")

    def test_bad_redis_url_does_not_show_its_password(self):
        errors = self.refuse(self.text('[redis]\nurl = "redis://user:hunter2@host:port/0"\n'), r"main\.toml.*redis")
        self.assertNotIn("hunter2", errors)

    def test_everything_at_once(self):
        errors = self.refuse(self.text('[lease]\nttl = "30s"\nsoft_stop = "29s"\n'
                                        '[tasks.a]\ninterval = "1 fortnight"\npool = "x"\n'
                                       'command = ["/bin/true"]\n[nodee]\n'))
        for key in ("lease", "tasks.a.interval", "nodee"):
            self.assertIn(key, errors)

    def run_with(self, *arguments):
        return harness.subprocess.run([harness.BINARY, *arguments], capture_output=True, text=True)

    def test_options(self):
        for arguments, pattern in (
            (["--chekc"], "--chekc"),
            (["--json"], "--json requires --check"),
            (["--log", "paper"], r"--log: paper not in \{auto,journal,terminal\}"),
            (["--log-level", "loud"], r"--log-level: loud not in \{debug,error,info,notice,warning\}"),
        ):
            with self.subTest(arguments=arguments):
                result = self.run_with(*arguments)
                self.assertEqual(result.returncode, 64)
                self.assertRegex(result.stderr, pattern)

    def test_help_says_what_is_allowed(self):
        result = self.run_with("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("{auto,journal,terminal}", result.stdout)
        self.assertTrue(result.stdout.replace("\n", "").isprintable())


# SPEC section 2.4: interval, initial delay, requires, chat LLM, opt-in flag.
CATALOGUE = {
    "scheduled_prompt_tick": (60, 10, ["redis"], True, ""),
    "scheduled_prompt_cleanup": (172800, 300, ["redis"], False, ""),
    "auto_kg_extraction": (14400, 300, ["redis", "kg", "openrouter", "config"], True, "legacy_kg_extraction"),
    "channel_summarization": (21600, 600, ["redis"], True, ""),
    "kg_consolidation_task": (86400, 1800, ["kg", "openrouter"], True, ""),
    "kg_decay_task": (86400, 3600, ["kg"], False, ""),
    "journal_stream": (10, 5, ["redis"], False, ""),
    "log_rag_ingest": (21600, 30, [], False, "background_scheduler_log_rag_ingest_enabled"),
    "gemini_key_probe": (7200, 60, [], False, ""),
    "agentic_kg_bulk_incremental": (14400, 900, ["redis", "kg", "openrouter"], True, ""),
    "anamnesis_digest": (1200, 300, ["redis", "kg", "openrouter", "config"], True, ""),
    "channel_heartbeat": (86400, 120, ["bot_runner"], True, ""),
    "starwiki_lint": (3600, 600, ["bot_runner"], False, "starwiki_enabled"),
    "limbic_anchoring_worker": (60, 15, ["bot_runner"], True, ""),
    "limbic_sunset_processor": (3600, 3600, ["bot_runner"], True, ""),
    "limbic_maintenance": (604800, 7200, ["bot_runner"], False, ""),
}


class TheShippedConfiguration(harness.DaemonTest):
    MAIN = harness.ROOT / "config/stargazer-scheduler.toml"

    def report(self, path):
        result = harness.check("--json", "--config", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_lists_the_catalogue(self):
        report = self.report(self.MAIN)
        self.assertEqual({task["name"] for task in report["tasks"]}, set(CATALOGUE))
        for task in report["tasks"]:
            with self.subTest(task=task["name"]):
                interval, delay, requires, llm, opt_in = CATALOGUE[task["name"]]
                self.assertEqual(task["interval_s"], interval)
                self.assertEqual(task["initial_delay_s"], delay)
                self.assertEqual(task["requires"], requires)
                self.assertEqual(task["requires_chat_llm"], llm)
                self.assertEqual(task["opt_in"] or "", opt_in)
                missing = [name for name in requires if name in ("kg", "openrouter", "bot_runner")]
                for name in missing:
                    self.assertIn(name, task["reason"])
                if opt_in:
                    self.assertIn(f"opt-in flag {opt_in} is not set", task["reason"])
        scheduled = {task["name"]: task["reason"] for task in report["tasks"] if task["scheduled"]}
        # Without [python] what needs no more than Redis and has a job in C++ runs as that.
        self.assertEqual(
            scheduled,
            dict.fromkeys(["journal_stream", "scheduled_prompt_cleanup", "channel_summarization"]),
        )
        jobs = {task["name"]: task["job"] for task in report["tasks"]}
        for name in ("scheduled_prompt_cleanup", "channel_summarization"):
            self.assertEqual((jobs[name]["kind"], jobs[name]["plugin"]), ("plugin", "stargazer-jobs"))
        self.assertEqual({worker["name"] for worker in report["supervised"]},
                         {"limbic_dedup_worker", "limbic_org_worker"})

    def everything_configured(self, chat_llm):
        """Every dependency configured, every flag set, and every job one that can run here."""
        text = "[redis]\n[kg]\n[openrouter]\n[bot_runner]\nprovider = \"a:b\"\n[flags]\n"
        text += "".join(f"{row[4]} = true\n" for row in CATALOGUE.values() if row[4])
        text += f"background_scheduler_chat_llm_enabled = {str(chat_llm).lower()}\n"
        text += f'[scheduler]\ncatalogue = "{harness.ROOT}/config/tasks.toml"\n'
        text += "".join(f'[tasks.{name}]\ncommand = ["/bin/true"]\n' for name in CATALOGUE)
        path = self.folder / f"llm_{chat_llm}.toml"
        path.write_text(text)
        return path

    def test_chat_llm_off_turns_exactly_its_tasks_off(self):
        on = {task["name"] for task in self.report(self.everything_configured(True))["tasks"] if task["scheduled"]}
        self.assertEqual(on, set(CATALOGUE))
        report = self.report(self.everything_configured(False))
        off = {task["name"] for task in report["tasks"] if not task["scheduled"]}
        self.assertEqual(off, {name for name, row in CATALOGUE.items() if row[3]})
        text = harness.check("--config", self.everything_configured(False)).stdout
        lines = [line for line in text.splitlines() if line.startswith("the chat LLM is off")]
        self.assertEqual(len(lines), 1, text)
        for name in off:
            self.assertIn(name, lines[0])

    def test_starwiki_interval_follows_its_flag(self):
        for minutes, seconds in ((60, 3600), (1, 300), (120, 7200), (0, 300)):
            path = self.folder / "starwiki.toml"
            path.write_text(f'[flags]\nstarwiki_lint_interval_minutes = {minutes}\n'
                            f'[scheduler]\ncatalogue = "{harness.ROOT}/config/tasks.toml"\n')
            task = next(t for t in self.report(path)["tasks"] if t["name"] == "starwiki_lint")
            self.assertEqual(task["interval_s"], seconds)

    def test_the_migration_page_turns_everything_off(self):
        page = (harness.ROOT / "docs/migration.md").read_text()
        text = re.search(r"```toml\n(.*?)```", page, re.DOTALL).group(1)
        shutil.copy(self.MAIN, self.folder / "main.toml")
        shutil.copy(harness.ROOT / "config/tasks.toml", self.folder)
        (self.folder / "conf.d").mkdir()
        (self.folder / "conf.d/50-migration.toml").write_text(textwrap.dedent(text))
        report = self.report(self.folder / "main.toml")
        self.assertEqual({task["name"] for task in report["tasks"]}, set(CATALOGUE))
        for planned in report["tasks"] + report["supervised"]:
            self.assertIn("disabled by enabled = false", planned["reason"], planned["name"])

    def test_leader_key_from_the_environment(self):
        result = harness.check("--config", self.MAIN, environment={"SG_LEADER_KEY": "other:key"})
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()

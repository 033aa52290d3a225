"""Every Python row of the catalogue through the daemon: arguments, success lines, events, failures, missing modules."""

import unittest

from bridge_harness import BridgeTest

REDIS, KG, OPENROUTER, CONFIG, RUNNER = "redis.Redis", "kg_manager", "openrouter", "config", "bot_runner"
BOTH = {"kg_manager": KG, "openrouter": OPENROUTER}
ALL_FOUR = {"redis": REDIS, **BOTH, "config": CONFIG}
FORMAT = {"type": "json_object"}

# Task: the function of Stargazer that it calls, and with what.
CALLS = {
    "scheduled_prompt_tick": ("tick_scheduled_prompts", [REDIS], {}),
    "scheduled_prompt_cleanup": ("cleanup_expired_prompts", [REDIS], {"days_to_keep": 7}),
    "auto_kg_extraction": (
        "run_batch_extraction",
        [],
        {"redis": REDIS, **BOTH, "override_model": "extraction-model"},
    ),
    "channel_summarization": ("summarise_all_active", [], {"redis": REDIS}),
    "kg_consolidation_task": ("consolidate_graph", [], BOTH),
    "kg_decay_task": ("decay_relationships", [KG], {}),
    "log_rag_ingest": ("ingest_logs_tick", [], {}),
    "gemini_key_probe": ("probe_all_keys", [], {}),
    "anamnesis_digest": ("run_anamnesis_cycle", [], ALL_FOUR),
    "starwiki_lint": ("scheduled_lint_public_and_opt_in", ["starwiki_service"], {}),
    "limbic_maintenance": ("garbage_collect_orphans", ["query", CONFIG], {}),
}
LINES = {
    "auto_kg_extraction": "KG extraction added 5 entities/relationships",
    "channel_summarization": r"Channel summarization processed 4 channel\(s\)",
    "kg_consolidation_task": "KG consolidation: merged=2 pruned=1",
    "kg_decay_task": "KG decay removed 7 weak relationships",
    "anamnesis_digest": r"Anamnesis digest: \+6 entities/rels \(cursor 30/120, 25.0%\)",
    "log_rag_ingest": "reading the logs",
}
MODULES = {
    "scheduled_prompt_tick": "tools.scheduled_prompt",
    "scheduled_prompt_cleanup": "tools.scheduled_prompt",
    "auto_kg_extraction": "kg_extraction",
    "channel_summarization": "background_agents",
    "kg_consolidation_task": "kg_consolidation",
    "kg_decay_task": "kg_consolidation",
    "log_rag_ingest": "log_rag_ingest",
    "gemini_key_probe": "gemini_embed_pool",
    "agentic_kg_bulk_incremental": "kg_bulk_runner",
    "anamnesis_digest": "anamnesis_engine",
    "channel_heartbeat": "background_agents",
    "starwiki_lint": "starwiki",
    "limbic_anchoring_worker": "knowledge_anchoring.worker",
    "limbic_sunset_processor": "knowledge_anchoring.sunset_processor",
    "limbic_maintenance": "knowledge_anchoring.garbage_collect_orphans",
    "limbic_dedup_worker": "knowledge_anchoring.dedup_worker",
    "limbic_org_worker": "knowledge_anchoring.org_worker",
}


class Catalogue(BridgeTest):
    def test_each_task_gets_its_arguments_and_tells_its_success(self):
        daemon = self.start(*CALLS)
        for task in CALLS:
            daemon.wait_for(rf"\b{task}: ok after")
        for task, (name, positional, named) in CALLS.items():
            self.assertEqual(self.calls(name)[name], [(positional, named)], task)
        for task, line in LINES.items():
            daemon.wait_for(rf"{task} \| {line}")
        self.assertEqual(self.client.get("tick"), b"was here")
        self.assertEqual(self.calls("init_quota_tracking")["init_quota_tracking"], [([REDIS], {})])
        runs = {event["payload"]["task"]: event for event in self.wait_for_events("scheduler_task_run", len(CALLS))}
        self.assertEqual(set(runs), set(CALLS))
        for task, event in runs.items():
            self.assertEqual((event["source"], event["status"]), ("scheduler", "ok"), task)
            self.assertEqual(event["preview"], f"task={task} status=ok")
            self.assertEqual(event["payload"], {"task": task, "error": ""})
        merged = self.wait_for_event("kg_consolidation")
        self.assertEqual((merged["source"], merged["status"]), ("background_tasks", "ok"))
        self.assertEqual(merged["preview"], "merged=2 pruned=1")
        self.assertEqual(merged["payload"], {"merged": 2, "pruned_entities": 1})
        decayed = self.wait_for_event("kg_decay")
        self.assertEqual((decayed["status"], decayed["preview"]), ("ok", "removed=7"))
        self.assertEqual(decayed["payload"], {"removed": 7})
        self.assert_lives_and_stops(daemon)

    def test_nothing_done_is_not_told_but_is_an_event(self):
        self.tell(
            run_batch_extraction={},
            summarise_all_active={},
            consolidate_graph={},
            decay_relationships=0,
            run_anamnesis_cycle={},
        )
        tasks = [task for task in LINES if task != "log_rag_ingest"]
        daemon = self.start(*tasks)
        for task in tasks:
            daemon.wait_for(rf"\b{task}: ok after")
            self.assertNotIn(f"{task} | ", daemon.log())
        self.assertEqual(self.wait_for_event("kg_consolidation")["preview"], "merged=0 pruned=0")
        self.assertEqual(self.wait_for_event("kg_decay")["payload"], {"removed": 0})

    def test_a_failure_of_the_code_is_one_of_the_run(self):
        """The source swallows most of them and reports ok."""
        self.tell(**{name + "__raises": "it broke" for name, _, _ in CALLS.values()})
        daemon = self.start(*CALLS)
        for task in CALLS:
            daemon.wait_for(rf"\b{task}: failed after .*: ValueError: it broke; runs again")
        for event in self.wait_for_events("scheduler_task_run", len(CALLS)):
            task = event["payload"]["task"]
            self.assertEqual(event["status"], "error", task)
            self.assertEqual(event["preview"], f"task={task} status=error")
            self.assertEqual(event["payload"]["error"], "it broke")
        for event_type in ("kg_consolidation", "kg_decay"):
            failed = self.wait_for_event(event_type)
            self.assertEqual((failed["status"], failed["preview"]), ("error", "error=it broke"))
            self.assertEqual(failed["payload"], {"error": "it broke"})
        daemon.wait_for(r"Traceback \(most recent call last\)")

    def test_a_task_whose_module_is_missing_is_skipped(self):
        for module in set(MODULES.values()):
            self.remove_module(module)
        daemon = self.start(*MODULES)
        for name, module in MODULES.items():
            skipped = r"ended after" if name in ("limbic_dedup_worker", "limbic_org_worker") else (
                rf"skipped, it had nothing to do after .*: the module {module} is not installed"
            )
            daemon.wait_for(rf"\b{name}: {skipped}")
        self.assertEqual(self.client.lrange("calls", 0, -1), [])
        for event in self.wait_for_events("scheduler_task_run", len(MODULES) - 2):
            self.assertEqual(event["status"], "ok")

    def test_without_ka_enabled_the_anchoring_has_nothing_to_do(self):
        tasks = ["limbic_anchoring_worker", "limbic_sunset_processor", "limbic_maintenance"]
        daemon = self.start(*tasks, environment={"STAND_IN_KA": "off"})
        for task in tasks:
            daemon.wait_for(rf"\b{task}: skipped, .*: ka_enabled is false")
        self.assertEqual(self.client.lrange("calls", 0, -1), [])

    def test_without_a_wiki_service_there_is_nothing_to_lint(self):
        self.client.hset("stand-in", "starwiki", "none")
        daemon = self.start("starwiki_lint")
        daemon.wait_for("starwiki_lint: skipped, .*: the bot runner has no starwiki_service")

    def test_a_provider_that_fails_is_named(self):
        daemon = self.start("kg_decay_task", providers='kg_manager = "stand_in_providers:broken"')
        daemon.wait_for(
            r"kg_decay_task: failed after .*: ProviderError: provider kg_manager \(stand_in_providers:broken\): "
            r"OSError: the disk is gone"
        )


class LongLived(BridgeTest):
    def test_the_heartbeat_runs_until_it_is_stopped(self):
        daemon = self.start("channel_heartbeat")
        self.assertEqual(self.wait_for_calls("channel_heartbeat_loop")["channel_heartbeat_loop"], ([RUNNER], {}))
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(self.calls("channel_heartbeat_loop cancelled")["channel_heartbeat_loop cancelled"]), 1)

    def test_anchoring_asks_the_proxy(self):
        daemon = self.start("limbic_anchoring_worker")
        calls = self.wait_for_calls("anchoring_loop", "anchoring answer")
        self.assertEqual(calls["anchoring_loop"][1]["channels"], [])
        self.assertEqual(
            {name: calls["anchoring_loop"][1][name] for name in ("config", "redis", "kg_manager", "message_cache")},
            {"config": CONFIG, "redis": REDIS, "kg_manager": KG, "message_cache": "message_cache"},
        )
        self.assertEqual(calls["anchoring_loop"][1]["embedding_queue"], "embedding_queue")
        self.assertEqual(calls["anchoring answer"], (["extracted"], {}))
        [(path, request)] = self.proxy.asked
        self.assertEqual(path, "/v1/chat/completions")
        self.assertEqual(
            request,
            {
                "model": "extraction-model",
                "messages": [{"role": "user", "content": "what is new?"}],
                "temperature": 0.1,
                "max_tokens": 4096,
                "response_format": FORMAT,
            },
        )
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(self.calls("anchoring_loop cancelled")["anchoring_loop cancelled"]), 1)

    def test_too_many_requests_are_an_empty_answer(self):
        self.proxy.answer = 429, {}
        daemon = self.start("limbic_anchoring_worker")
        self.assertEqual(self.wait_for_calls("anchoring answer")["anchoring answer"], ([""], {}))
        daemon.wait_for(r"warning .*too many requests \(429\)")

    def assert_fails_with(self, answer, cause):
        self.proxy.answer = answer
        daemon = self.start("limbic_anchoring_worker")
        daemon.wait_for(rf"limbic_anchoring_worker: failed after .*: LlmError: .*{cause}")

    def test_an_empty_answer_is_an_error(self):
        self.assert_fails_with((200, {"choices": [{"message": {"content": ""}}]}), "the answer is empty")

    def test_a_failure_of_the_proxy_is_an_error(self):
        self.assert_fails_with((500, b"oops"), "HTTP status 500: oops")

    def test_an_answer_that_cannot_be_read_is_an_error(self):
        self.assert_fails_with((200, b"no JSON"), "the answer is not that of a chat")

    def test_sunset_asks_by_openrouter(self):
        daemon = self.start("limbic_sunset_processor")
        calls = self.wait_for_calls("sunset_loop", "chat", "sunset answer")
        self.assertEqual(
            calls["sunset_loop"][1],
            {
                "redis": REDIS,
                "redis_raw": "redis_raw",
                "kg_manager": KG,
                "config": CONFIG,
                "message_cache": "message_cache",
            },
        )
        self.assertEqual(calls["chat"][1]["override_model"], "extraction-model")
        self.assertEqual(calls["chat"][1]["messages"], [{"role": "user", "content": "the day"}])
        self.assertEqual(calls["chat"][1]["response_format"], {"type": "text"})
        self.assertEqual(calls["sunset answer"], (["an answer"], {}))
        self.assertEqual(daemon.stop(), 0)

    def test_both_supervised_workers(self):
        daemon = self.start("limbic_dedup_worker", "limbic_org_worker")
        calls = self.wait_for_calls("dedup_loop", "org_loop", "dedup answer", "org answer")
        for name in ("dedup_loop", "org_loop"):
            self.assertEqual(calls[name], ([], {"kg_manager": KG, "config": CONFIG}))
        self.assertEqual(calls["dedup answer"], (["an answer"], {}))
        prompts = {named["messages"][0]["content"] for _, named in self.calls("chat")["chat"]}
        self.assertEqual(prompts, {"the same?", "a hub?"})
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(self.calls("org_loop cancelled")["org_loop cancelled"]), 1)

    def test_a_supervised_worker_that_crashes_names_its_error(self):
        self.tell(dedup_loop__raises="no graph")
        daemon = self.start("limbic_dedup_worker")
        daemon.wait_for(r"limbic_dedup_worker: crashed after .* \(ValueError: no graph\), starts again")


class BulkPipeline(BridgeTest):
    def setUp(self):
        super().setUp()
        self.client.zadd("channel_msgs:discord:7", {"msg:1": 5})

    def event(self):
        daemon = self.start("agentic_kg_bulk_incremental")
        event = self.wait_for_event("kg_bulk_incremental")
        self.assertEqual((event["source"], event["phase"]), ("background_tasks", "pipeline"))
        return daemon, event

    def test_new_messages_go_through_the_pipeline(self):
        daemon, event = self.event()
        collected = self.calls("collect_messages_from_redis")["collect_messages_from_redis"][0]
        named = {"incremental": True, "cursor_bootstrap": "latest", "channel_pairs": [["discord", "7"]]}
        self.assertEqual(collected, ([REDIS], named))
        (config, redis, messages, n_zsets, params), named = self.wait_for_calls("run_agentic_bulk_pipeline")[
            "run_agentic_bulk_pipeline"
        ]
        self.assertEqual((config, redis, messages, n_zsets), (CONFIG, REDIS, ["m1", "m2", "m3"], 5))
        self.assertEqual(named, {"load_channel_metadata": None})
        out_dir = params.pop("out_dir")
        self.assertRegex(out_dir, rf"^{self.root}/var/kg_bulk_scheduled/\d{{8}}T\d{{6}}Z$")
        self.assertEqual(
            params,
            {
                "is_dir": True,
                "per_channel": True,
                "incremental": True,
                "dump_only": False,
                "dry_run_chunks": False,
                "dry_run_llm": False,
                "fetch_channel_metadata": False,
                "bulk_llm_backend": "resolved",
            },
        )
        daemon.wait_for(rf"agentic_kg_bulk_incremental: processed 3 message\(s\) -> {out_dir}")
        self.assertEqual(event["preview"], f"channels=1 messages=3 out_dir={out_dir}")
        counts = {"channels_processed": 1, "messages_processed": 3, "n_zsets": 5, "out_dir": out_dir, "error": ""}
        self.assertEqual((event["status"], event["payload"]), ("ok", counts))

    def test_no_active_channel_is_skipped(self):
        self.client.delete("channel_msgs:discord:7")
        daemon, event = self.event()
        self.assertEqual((event["status"], event["preview"]), ("skipped", "channels=0 messages=0 out_dir="))
        daemon.wait_for("agentic_kg_bulk_incremental: skipped, .*: there are no active channels")

    def test_no_key_is_skipped(self):
        config = self.root / "config.py"
        config.write_text(config.read_text().replace('api_key = "secret"', 'api_key = ""'))
        daemon, event = self.event()
        self.assertEqual(event["status"], "skipped")
        daemon.wait_for("agentic_kg_bulk_incremental: skipped, .*: redis_url or api_key is missing")

    def test_no_new_message_is_an_event(self):
        self.tell(collect_messages_from_redis=[[], 0])
        daemon, event = self.event()
        self.assertEqual((event["status"], event["payload"]["channels_processed"]), ("no_new_messages", 1))
        daemon.wait_for("agentic_kg_bulk_incremental: ok after")
        self.assertFalse((self.root / "var").exists())

    def test_a_failure_is_an_event_and_fails_the_run(self):
        self.tell(run_agentic_bulk_pipeline__raises="x" * 150)
        daemon, event = self.event()
        self.assertEqual((event["status"], event["preview"]), ("error", "error=" + "x" * 100))
        self.assertEqual(event["payload"], {"error": "x" * 150})
        daemon.wait_for("agentic_kg_bulk_incremental: failed after .*: ValueError: x")


if __name__ == "__main__":
    unittest.main()

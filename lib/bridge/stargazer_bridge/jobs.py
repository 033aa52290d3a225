"""The jobs of the catalogue (SPEC sections 2.4 to 2.6, 6) that are more than one call of Stargazer's code.

Each takes what its task requires, by position. Unlike in the source an error is not swallowed: the run has failed.
"""

import asyncio
import datetime
import inspect
import logging

from stargazer_bridge import llm
from stargazer_bridge.backfill import startup_channel_backfill
from stargazer_bridge.errors import Skipped
from stargazer_bridge.modules import load, needs

__all__ = ["startup_channel_backfill"]

logger = logging.getLogger(__name__)

SOURCE = "background_tasks"
ERROR_LETTERS_MAX = 100  # of an event's preview
DAYS_TO_KEEP = 7
ACTIVE_CHANNELS_MAX = 10


async def _settle(value):
    return await value if inspect.isawaitable(value) else value


def _error_event(job, event_type, error, phase=""):
    preview = f"error={str(error)[:ERROR_LETTERS_MAX]}"
    job.event(event_type, source=SOURCE, phase=phase, status="error", preview=preview, payload={"error": str(error)})


@needs("tools.scheduled_prompt")
async def scheduled_prompt_cleanup(redis):
    await load("tools.scheduled_prompt:cleanup_expired_prompts")(redis, days_to_keep=DAYS_TO_KEEP)


@needs("kg_extraction")
async def auto_kg_extraction(redis, kg_manager, openrouter, config):
    result = await load("kg_extraction:run_batch_extraction")(
        redis=redis,
        kg_manager=kg_manager,
        openrouter=openrouter,
        override_model=getattr(config, "kg_extraction_model", None),
    )
    added = result.get("entities_added", 0) + result.get("relationships_added", 0)
    if added:
        logger.info("KG extraction added %d entities/relationships", added)


@needs("background_agents.channel_summarizer")
async def channel_summarization(redis):
    result = await load("background_agents.channel_summarizer:summarise_all_active")(redis=redis)
    channels = result.get("channels_processed", 0)
    if channels:
        logger.info("Channel summarization processed %d channel(s)", channels)


@needs("kg_consolidation")
async def kg_consolidation_task(kg_manager, openrouter, *, job):
    try:
        result = await load("kg_consolidation:consolidate_graph")(kg_manager=kg_manager, openrouter=openrouter)
        merged, pruned = result.get("merged", 0), result.get("pruned_entities", 0)
    except Exception as error:
        _error_event(job, "kg_consolidation", error)
        raise
    if merged or pruned:
        logger.info("KG consolidation: merged=%d pruned=%d", merged, pruned)
    job.event(
        "kg_consolidation",
        source=SOURCE,
        status="ok",
        preview=f"merged={merged} pruned={pruned}",
        payload={"merged": merged, "pruned_entities": pruned},
    )


@needs("kg_consolidation")
async def kg_decay_task(kg_manager, *, job):
    try:
        removed = await load("kg_consolidation:decay_relationships")(kg_manager)
    except Exception as error:
        _error_event(job, "kg_decay", error)
        raise
    if removed:
        logger.info("KG decay removed %d weak relationships", removed)
    job.event("kg_decay", source=SOURCE, status="ok", preview=f"removed={removed}", payload={"removed": removed})


@needs("gemini_embed_pool")
async def gemini_key_probe(*, job):
    """The source's process has readied the pool once, at its start; ours lives for one probe, so it does so each time.
    Without it what the probe finds would be forgotten with the process."""
    pool = load("gemini_embed_pool:__dict__")
    if "redis" in job.configured:
        if "init_quota_tracking" in pool:
            await _settle(pool["init_quota_tracking"](await job.provide("redis")))
        if "reload_pool" in pool:
            await _settle(pool["reload_pool"]())
    await pool["probe_all_keys"]()


@needs("kg_bulk_runner", "message_cache")
async def agentic_kg_bulk_incremental(redis, kg_manager, openrouter, *, config, job):
    """The pipeline makes its own graph and LLM client; both are arguments as they are of the source's task."""
    try:
        await _bulk(redis, config, job)
    except Skipped:
        raise
    except Exception as error:
        _error_event(job, "kg_bulk_incremental", error, phase="pipeline")
        raise


def _bulk_event(job, status, channels=0, messages=0, n_zsets=0, out_dir=""):
    job.event(
        "kg_bulk_incremental",
        source=SOURCE,
        phase="pipeline",
        status=status,
        preview=f"channels={channels} messages={messages} out_dir={out_dir}",
        payload={
            "channels_processed": channels,
            "messages_processed": messages,
            "n_zsets": n_zsets,
            "out_dir": out_dir,
            "error": "",
        },
    )


async def _bulk(redis, config, job):
    if not config.redis_url or not config.api_key:
        _bulk_event(job, "skipped")
        raise Skipped("redis_url or api_key is missing in Stargazer's config")
    channels = await load("message_cache:get_active_channels")(redis, limit=ACTIVE_CHANNELS_MAX)
    if not channels:
        _bulk_event(job, "skipped")
        raise Skipped("there are no active channels")
    messages, n_zsets = await load("kg_bulk_runner:collect_messages_from_redis")(
        redis, incremental=True, cursor_bootstrap="latest", channel_pairs=channels
    )
    if not messages:
        logger.info("agentic_kg_bulk_incremental: no new messages for %d channel(s)", len(channels))
        return _bulk_event(job, "no_new_messages", channels=len(channels))

    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    out_dir = job.root / "var" / "kg_bulk_scheduled" / stamp
    out_dir.mkdir(parents=True, exist_ok=True)
    params = load("kg_bulk_runner:KgBulkPipelineParams")(
        out_dir=out_dir,
        dump_only=False,
        dry_run_chunks=False,
        dry_run_llm=False,
        per_channel=True,
        incremental=True,
        bulk_llm_backend=load("kg_bulk_runner:resolve_bulk_backend")(None),
        fetch_channel_metadata=False,
    )
    pipeline = load("kg_bulk_runner:run_agentic_bulk_pipeline")
    await pipeline(config, redis, messages, n_zsets, params, load_channel_metadata=None)
    logger.info("agentic_kg_bulk_incremental: processed %d message(s) -> %s", len(messages), out_dir)
    _bulk_event(job, "ok", len(channels), len(messages), n_zsets, str(out_dir))


@needs("anamnesis_engine")
async def anamnesis_digest(redis, kg_manager, openrouter, config):
    result = await load("anamnesis_engine:run_anamnesis_cycle")(
        redis=redis, kg_manager=kg_manager, openrouter=openrouter, config=config
    )
    added = result.get("entities_added", 0) + result.get("relationships_added", 0)
    if added:
        logger.info(
            "Anamnesis digest: +%d entities/rels (cursor %d/%d, %.1f%%)",
            added,
            result.get("cursor", 0),
            result.get("total_store", 0),
            result.get("progress_pct", 0),
        )


@needs("starwiki.bookkeeper")
async def starwiki_lint(bot_runner):
    service = getattr(bot_runner, "starwiki_service", None)
    if service is None:
        raise Skipped("the bot runner has no starwiki_service")
    await load("starwiki.bookkeeper:scheduled_lint_public_and_opt_in")(service)


def _anchoring_config(bot_runner, job):
    """Raises Skipped while the anchoring is off, in Stargazer's config or in [flags]."""
    config = bot_runner.cfg
    if not config.ka_enabled or not job.flag("ka_enabled", True):
        raise Skipped("ka_enabled is false")
    return config


@needs("knowledge_anchoring.worker")
async def limbic_anchoring_worker(bot_runner, *, job):
    config = _anchoring_config(bot_runner, job)
    worker = load("knowledge_anchoring.worker:AnchoringWorker")(
        config=config,
        redis=bot_runner.message_cache.redis_client,
        kg_manager=bot_runner.kg_manager,
        llm_call=llm.through_proxy(config),
        channels=[],  # it finds them itself
        message_cache=bot_runner.message_cache,
        embedding_queue=bot_runner.embedding_queue,
    )
    await worker.anchoring_loop()


@needs("knowledge_anchoring.sunset_processor")
async def limbic_sunset_processor(bot_runner, *, job):
    config = _anchoring_config(bot_runner, job)
    await load("knowledge_anchoring.sunset_processor:sunset_loop")(
        redis=bot_runner.message_cache.redis_client,
        redis_raw=bot_runner.message_cache._redis_raw,
        kg_manager=bot_runner.kg_manager,
        llm_call=llm.through_openrouter(bot_runner.openrouter, config.kg_extraction_model),
        config=config,
        message_cache=bot_runner.message_cache,
    )


@needs("knowledge_anchoring.garbage_collect_orphans")
async def limbic_maintenance(bot_runner, *, job):
    config = _anchoring_config(bot_runner, job)
    collect = load("knowledge_anchoring.garbage_collect_orphans:garbage_collect_orphans")
    await collect(bot_runner.kg_manager.query, config)


async def _supervised_loop(target, flag, kg_manager, openrouter, config):
    if not getattr(config, flag, True):
        # It would be started again after a moment if it ended, and find the same.
        logger.info("%s is false in Stargazer's config: nothing to do", flag)
        await asyncio.Event().wait()
    call = llm.through_openrouter(openrouter, config.kg_extraction_model)
    await load(target)(kg_manager=kg_manager, llm_call=call, config=config)


@needs("knowledge_anchoring.dedup_worker")
async def limbic_dedup_worker(kg_manager, openrouter, config):
    await _supervised_loop(
        "knowledge_anchoring.dedup_worker:dedup_loop", "ka_dedup_enabled", kg_manager, openrouter, config
    )


@needs("knowledge_anchoring.org_worker")
async def limbic_org_worker(kg_manager, openrouter, config):
    logger.info(
        "org: interval %d s, hub degree threshold %d",
        getattr(config, "ka_org_interval_seconds", 600),
        getattr(config, "ka_org_hub_degree_threshold", 1),
    )
    await _supervised_loop(
        "knowledge_anchoring.org_worker:org_loop", "ka_org_enabled", kg_manager, openrouter, config
    )

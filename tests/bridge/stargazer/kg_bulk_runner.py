import dataclasses
import pathlib

from stand_in import call


@dataclasses.dataclass
class KgBulkPipelineParams:
    out_dir: pathlib.Path
    dump_only: bool
    dry_run_chunks: bool
    dry_run_llm: bool
    per_channel: bool
    incremental: bool
    bulk_llm_backend: str
    fetch_channel_metadata: bool


def resolve_bulk_backend(name):
    return "resolved" if name is None else name


async def collect_messages_from_redis(redis, **named):
    return call("collect_messages_from_redis", [redis], named, [["m1", "m2", "m3"], 5])


async def run_agentic_bulk_pipeline(cfg, redis, messages, n_zsets, params, *, load_channel_metadata):
    told = {**dataclasses.asdict(params), "out_dir": str(params.out_dir), "is_dir": params.out_dir.is_dir()}
    call(
        "run_agentic_bulk_pipeline",
        [cfg, redis, messages, n_zsets, told],
        {"load_channel_metadata": load_channel_metadata},
    )

from stand_in import call, stay


class AnchoringWorker:
    def __init__(self, *, config, redis, kg_manager, llm_call, channels, message_cache, embedding_queue):
        self.llm_call = llm_call
        self.named = {
            "config": config,
            "redis": redis,
            "kg_manager": kg_manager,
            "channels": channels,
            "message_cache": message_cache,
            "embedding_queue": embedding_queue,
        }

    async def anchoring_loop(self):
        call("anchoring_loop", [], self.named)
        answer = await self.llm_call("what is new?", response_format={"type": "json_object"})
        call("anchoring answer", [answer], {})
        await stay("anchoring_loop")

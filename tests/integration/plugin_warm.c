// The plugin of test_warm_workers.py: says how often it was called, and how often it was loaded, in this process.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stargazer/plugin.h>

static int loaded = 0;
static int calls = 0;

static int count(const stargazer_host* host) {
  const char* fail_at = getenv("FAIL_AT");
  ++calls;
  printf("count %d loaded %d run %s pid %ld\n", calls, loaded, host->run_id, (long)getpid());
  if (fail_at != NULL && calls == atoi(fail_at)) return host->fail(host, "Third", "the third run fails");
  return STARGAZER_OK;
}

static int count_twice(const stargazer_host* host) {
  ++calls;
  return count(host);
}

static const stargazer_job jobs[] = {{"count", "says how often it was called", count},
                                     {"count_twice", "counts for two", count_twice}};
static const stargazer_plugin plugin = {STARGAZER_PLUGIN_ABI_VERSION, 2, "warm", jobs};

const stargazer_plugin* stargazer_plugin_entry(void) {
  ++loaded;
  return &plugin;
}

// The plugin of test_plugins.py: a job for each thing that a job can do, or can do to us.
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stargazer/plugin.h>

// Another version than the header's, to be refused.
#ifndef ABI_VERSION
#define ABI_VERSION STARGAZER_PLUGIN_ABI_VERSION
#endif

static int talk(const stargazer_host* host) {
  char line[4096];
  stargazer_event event = {.struct_size = sizeof event, .event_type = "talked", .payload = "{\"n\": [1, \"\xc3\xbc\"]}"};
  event.duration_ms = 5;
  printf("printed\n");
  fprintf(stderr, "complained\n");
  host->log(host, STARGAZER_LOG_WARNING, "look here");
  snprintf(line, sizeof line, "params %s", host->params);
  host->log(host, STARGAZER_LOG_INFO, line);
  snprintf(line, sizeof line, "told task=%s attempt=%" PRIu32 " timeout=%g epoch=%" PRIu64 " variable=%s", host->task,
           host->attempt, host->timeout_s, host->epoch, getenv("VARIABLE"));
  host->log(host, STARGAZER_LOG_INFO, line);
  host->counter(host, "files", 1);
  host->counter(host, "files", 2.5);
  host->progress(host, 3, 10, "half way");
  host->event(host, &event);
  return STARGAZER_OK;
}

static int skip(const stargazer_host* host) {
  return host->skip(host, "there is nothing new");
}

static int fail(const stargazer_host* host) {
  return host->fail(host, "KeyError", "no such channel");
}

static int silent_failure(const stargazer_host* host) {
  (void)host;
  return STARGAZER_FAILED;
}

static int seven(const stargazer_host* host) {
  (void)host;
  return 7;
}

// Asks at each line of the FIFO that is named in its environment.
static int lease(const stargazer_host* host) {
  char line[64];
  char message[256];
  char answer[256];
  const char* const command[] = {"INCRBY", "written", "1"};
  FILE* questions = fopen(getenv("QUESTIONS"), "r");
  while (fgets(line, sizeof line, questions) != NULL) {
    int verified = host->verify_lease(host, message, sizeof message);
    int wrote = host->lease_write(host, 3, command, answer, sizeof answer);
    printf("answer verify=%d (%s) write=%d (%s)\n", verified, message, wrote, answer);
  }
  return STARGAZER_OK;
}

static void* verify_often(void* argument) {
  const stargazer_host* host = argument;
  for (int time = 0; time < 20; ++time) {
    if (host->verify_lease(host, NULL, 0) != STARGAZER_DONE) return (void*)1;
    if (host->counter(host, "verified", 1) != STARGAZER_DONE) return (void*)1;
  }
  return NULL;
}

// More at once than the daemon takes of one run.
static int crowd(const stargazer_host* host) {
  pthread_t threads[40];
  int failed = 0;
  for (int place = 0; place < 40; ++place) pthread_create(&threads[place], NULL, verify_often, (void*)host);
  for (int place = 0; place < 40; ++place) {
    void* result = NULL;
    pthread_join(threads[place], &result);
    failed += result != NULL;
  }
  return failed == 0 ? STARGAZER_OK : host->fail(host, "Crowd", "some could not verify");
}

static int misuse(const stargazer_host* host) {
  const char* const command[] = {"FLUSHALL"};
  char answer[64];
  int counted = host->counter(host, "a b", 1);
  int wrote = host->lease_write(host, 1, command, answer, sizeof answer);
  printf("answered %d %d (%s)\n", counted, wrote, answer);
  return STARGAZER_OK;
}

static int wait_for_stop(const stargazer_host* host) {
  struct pollfd stop = {host->stop_fd, POLLIN, 0};
  printf("waits, asked=%d\n", host->stop_requested(host));
  while (poll(&stop, 1, -1) < 0) {
  }
  printf("leaves, asked=%d\n", host->stop_requested(host));
  return host->skip(host, "stopped");
}

// A job that does not know stop_fd, but looks after each system call.
static int sleep_until_stop(const stargazer_host* host) {
  struct timespec hour = {3600, 0};
  printf("sleeps\n");
  while (!host->stop_requested(host)) {
    if (nanosleep(&hour, NULL) == 0 || errno != EINTR) return STARGAZER_FAILED;
  }
  printf("woke up\n");
  return STARGAZER_OK;
}

static void* chatter(void* argument) {
  const stargazer_host* host = argument;
  for (;;) host->counter(host, "chatter", 1);
  return NULL;
}

static int leave_a_thread(const stargazer_host* host) {
  pthread_t thread;
  pthread_create(&thread, NULL, chatter, (void*)host);
  return STARGAZER_OK;
}

static int crash(const stargazer_host* host) {
  volatile int* nowhere = (volatile int*)16;
  (void)host;
  return *nowhere;
}

static int abort_it(const stargazer_host* host) {
  (void)host;
  abort();
}

static int exit_it(const stargazer_host* host) {
  (void)host;
  exit(0);
}

static int loop(const stargazer_host* host) {
  (void)host;
  printf("loops\n");
  for (;;) {
  }
  return STARGAZER_OK;
}

static const stargazer_job jobs[] = {
    {"talk", "says everything once", talk},
    {"skip", "has nothing to do", skip},
    {"fail", "fails, and says why", fail},
    {"silent_failure", "fails, and does not say why", silent_failure},
    {"seven", "returns what is no result", seven},
    {"lease", "asks of the lease", lease},
    {"crowd", "asks of the lease from many threads", crowd},
    {"misuse", "calls the host with what is not allowed", misuse},
    {"wait_for_stop", "waits for stop_fd", wait_for_stop},
    {"sleep_until_stop", "is woken by SIGTERM", sleep_until_stop},
    {"leave_a_thread", "ends before its thread", leave_a_thread},
    {"crash", "reads what is not there", crash},
    {"abort", "aborts", abort_it},
    {"exit", "exits without a result", exit_it},
    {"loop", "does not end", loop},
    {"no_function", "has none", NULL},
};
static const stargazer_plugin plugin = {ABI_VERSION, sizeof jobs / sizeof jobs[0], "sample", jobs};

const stargazer_plugin* stargazer_plugin_entry(void) {
#ifdef NULL_PLUGIN
  return NULL;
#else
  return &plugin;
#endif
}

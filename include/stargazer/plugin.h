// stargazer/plugin.h: a plugin of stargazer-scheduler, a shared library whose jobs the scheduler runs. C99 and later,
// C++11 and later; it needs nothing else. docs/workers.md has a complete example.
//
// stargazer-worker loads the library into a process of its own, calls one job in it, and ends. So a job that crashes,
// runs for ever or leaks is a failed run and nothing else, and no two runs share a process. Unless the operator sets
// `warm = true` for the task: then the process may have further runs, one after the other, each with a host of its own,
// and what the library holds stays. It has none after a run that failed or was to stop.
//
//   #include <stargazer/plugin.h>
//
//   static int hello(const stargazer_host* host) {
//     host->log(host, STARGAZER_LOG_INFO, "hello");
//     return STARGAZER_OK;
//   }
//   static const stargazer_job jobs[] = {{"hello", "says hello", hello}};
//   static const stargazer_plugin plugin = {STARGAZER_PLUGIN_ABI_VERSION, 1, "example", jobs};
//   STARGAZER_PLUGIN_EXPORT const stargazer_plugin* stargazer_plugin_entry(void) { return &plugin; }
//
//   cc -shared -fPIC -o example.so example.c
//
// Texts. Everything is UTF-8 and ends with a zero byte. What the host gets it copies, so it need live only during the
// call; bytes that are not UTF-8 are replaced, except where they are refused. Null for a text means "".
//
// Threads. The host calls the entry function once and `run` once for each run, on the main thread. A job may call every
// function of the host from any of its threads until `run` returns; what it says after that is not heard. None may be
// called from a signal handler, and none by a child that was forked.
//
// Misuse. What a function refuses is not said to the scheduler, the function answers STARGAZER_INVALID, and the first
// one of a run is a warning in the journal that names the function and what is wrong.
//
// The process. fd 3 belongs to the host. SIGTERM asks the job to stop (see stop_requested) and interrupts system calls;
// SIGPIPE is ignored. stdin is empty; what is written to stdout and stderr becomes lines of the journal. When `run` has
// returned, stdout is flushed and the process ends at once: threads that are left end with it, and neither atexit nor
// destructors of static objects run. One that is kept for a further run must be silent until then: threads that are
// left may not print, and a child process that is left has it ended.
#ifndef STARGAZER_PLUGIN_H
#define STARGAZER_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Of what is in this file. The host refuses a plugin of a version that it does not know. A host of the same version may
// know more than this file: it grows only at the end of stargazer_host and of stargazer_event, which say their size.
#define STARGAZER_PLUGIN_ABI_VERSION 1u

// Put before stargazer_plugin_entry, so that it is found in a library that is built with hidden symbols.
#if defined(__GNUC__)
#define STARGAZER_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define STARGAZER_PLUGIN_EXPORT
#endif

// The result of a run, as `run` returns it. Any other number is a failed run.
enum {
  STARGAZER_OK = 0,
  STARGAZER_FAILED = 1,
  STARGAZER_SKIPPED = 2  // there was nothing to do
};

// What the functions of the host answer. Whatever is not STARGAZER_DONE is a failure, also what a later host may add.
enum {
  STARGAZER_DONE = 0,
  STARGAZER_INVALID = 1,      // misuse: an argument is not allowed
  STARGAZER_GONE = 2,         // the scheduler is gone; the job should leave
  STARGAZER_UNAVAILABLE = 3,  // Redis could not be asked, or refused the command itself
  STARGAZER_NO_LEASE = 4,     // this run is none of the lease: neither supervised nor of a task with run_on = "leader"
  STARGAZER_NOT_LEADER = 5,   // this node is not flagged leader
  STARGAZER_LEASE_EXPIRED = 6,  // nobody holds the lease
  STARGAZER_LEASE_LOST = 7,     // another node, or another term of this one, holds it
  STARGAZER_FENCED = 8          // lease_write: Redis refused the write, as the term is over
};

// How much a line of the journal matters: syslog's numbers. What lies outside counts as the nearest of these.
enum {
  STARGAZER_LOG_ERROR = 3,
  STARGAZER_LOG_WARNING = 4,
  STARGAZER_LOG_NOTICE = 5,
  STARGAZER_LOG_INFO = 6,
  STARGAZER_LOG_DEBUG = 7
};

// For `event`: an event for Stargazer's observers. Members that are null or zero are not given.
typedef struct stargazer_event {
  size_t struct_size;      // sizeof(stargazer_event)
  const char* event_type;  // needed
  const char* source;      // not given: the name of the task
  const char* phase;
  const char* status;
  const char* preview;
  const char* payload;  // any JSON up to 64 KiB and 60 levels deep; not given: {}
  double duration_ms;   // not above 0: since the start of the run
} stargazer_event;

// What a job knows and can do. Made by the host, which keeps it until the process ends.
typedef struct stargazer_host stargazer_host;
struct stargazer_host {
  size_t struct_size;    // of this table as the host knows it, at least sizeof(stargazer_host) as it is here
  uint32_t abi_version;  // STARGAZER_PLUGIN_ABI_VERSION of the host

  uint32_t attempt;    // 1 for the first try
  const char* task;    // of the task or supervised worker
  const char* run_id;  // names this run; unique over nodes and restarts
  double timeout_s;    // the run's timeout in seconds; 0 = none
  double deadline;     // when it passes, in seconds since 1970; 0 = never
  uint64_t epoch;      // of the lease's term in whose name the run works, its fencing token; 0 = of none

  // The parameters of the scheduler's `run`, a JSON object (docs/workers.md): those above, arguments, lease, flags, and
  // in `setup` where Redis, the graph and the language model are. At most 1 MiB. The task's `environment` and what
  // docs/jobs.md lists are in the environment of the process.
  const char* params;

  // Readable from the moment at which stop_requested becomes 1, for poll(2) and its like. It is the host's: do not read
  // or close it.
  int stop_fd;

  // 1 once the run is to end: its timeout has passed, the lease is lost, the scheduler stops or is gone. Never goes
  // back. A job that goes on is killed after its stop_grace; one whose scheduler is gone, after five seconds. What the
  // job returns then does not matter. Costs nothing: it asks no one.
  int (*stop_requested)(const stargazer_host* host);

  // ---- Said to the scheduler, which does not answer ----
  // Each answers STARGAZER_DONE, STARGAZER_INVALID or STARGAZER_GONE, and may wait while the scheduler does not read.
  // What exceeds what the journal or Redis takes is dropped and counted there (docs/workers.md).

  // A line of the journal with TASK and RUN_ID. A message over 16 KiB is cut, with a mark.
  int (*log)(const stargazer_host* host, int priority, const char* message);

  // REQUIRES: event is not null. Misuse: no event_type; a payload that is not JSON, too long or too deep.
  int (*event)(const stargazer_host* host, const stargazer_event* event);

  // Adds to a sum, told at the end of the run. Misuse: a name that is not 1 to 128 of A-Z a-z 0-9 _ . - or a value that
  // is not finite. A run has up to 64 names; the scheduler refuses others.
  int (*counter)(const stargazer_host* host, const char* name, double value);

  // How far the run is; status shows the last one. `total` 0: not known. A message over 512 bytes is cut. Misuse: a
  // number that is below 0 or not finite.
  int (*progress)(const stargazer_host* host, double done, double total, const char* message);

  // ---- Asked of the scheduler: these wait for its answer, without a limit of time ----
  // A job that can be stopped meanwhile asks from a thread of its own. The calls of several threads do not wait for
  // each other, up to 16.

  // To be asked before an act that cannot be undone: does the term hold in whose name this run works? STARGAZER_DONE if
  // so; else STARGAZER_NO_LEASE, STARGAZER_NOT_LEADER, STARGAZER_LEASE_EXPIRED, STARGAZER_LEASE_LOST,
  // STARGAZER_UNAVAILABLE or STARGAZER_GONE, and the job must not act. A scheduler without Redis is the leader for as
  // long as it lives: STARGAZER_DONE to every run. `message` gets the reason, "" for STARGAZER_DONE: always with a zero
  // byte, cut to message_size bytes. It may be null, with a size of 0.
  int (*verify_lease)(const stargazer_host* host, char* message, size_t message_size);

  // A write that Redis carries out only if the term still holds at that moment, so it is safe where a check beforehand
  // is not: argument_count texts, the first one the command (docs/workers.md lists which). STARGAZER_DONE, and `answer`
  // gets the reply of Redis as JSON; else as verify_lease, STARGAZER_FENCED or STARGAZER_INVALID, and `answer` gets the
  // reason. Nothing was written then, except perhaps after STARGAZER_UNAVAILABLE and STARGAZER_GONE. `answer` as
  // `message` above. Misuse: no argument, a null among them, bytes that are not UTF-8, another command, more than 1
  // MiB.
  int (*lease_write)(const stargazer_host* host, size_t argument_count, const char* const* arguments, char* answer,
                     size_t answer_size);

  // ---- The result ----
  // They set it and answer what `run` is to return: `return host->fail(host, "Timeout", "no answer after 30 s");`
  // The worse of what was set and what `run` returns counts: failed before skipped before ok. Of several calls of one,
  // the last counts.

  // STARGAZER_FAILED. `kind` is the name of the error's kind, as that of a class (the journal's field ERROR, 256
  // bytes); `message` says what happened, to a person (4096 bytes). Both are cut.
  int (*fail)(const stargazer_host* host, const char* kind, const char* message);

  // STARGAZER_SKIPPED: there was nothing to do, and why (4096 bytes).
  int (*skip)(const stargazer_host* host, const char* message);
};

// A job of a plugin. All of it must stay as it is until the process ends.
typedef struct stargazer_job {
  const char* name;         // 1 to 64 of A-Z a-z 0-9 _ . -: the `job` of a task
  const char* description;  // one line for `stargazer-worker --list`
  // Does the work, and returns its result. A C++ exception that leaves it is a failed run with its class and its text.
  int (*run)(const stargazer_host* host);
} stargazer_job;

// A plugin. All of it must stay as it is until the process ends. abi_version is the first member in every version.
typedef struct stargazer_plugin {
  uint32_t abi_version;       // STARGAZER_PLUGIN_ABI_VERSION
  uint32_t job_count;         // 1 to 1024
  const char* name;           // for messages
  const stargazer_job* jobs;  // job_count of them; of two with one name the first counts
} stargazer_plugin;

// The one symbol that the library exports. Must not do the work of a job: it is also called to list them. Null: the
// plugin cannot be used.
STARGAZER_PLUGIN_EXPORT const stargazer_plugin* stargazer_plugin_entry(void);

#define STARGAZER_PLUGIN_ENTRY_NAME "stargazer_plugin_entry"

#ifdef __cplusplus
}
#endif

#endif

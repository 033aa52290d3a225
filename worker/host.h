// The host of stargazer/plugin.h: the table that a job is called with, joined to fd 3.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "io/worker_client.h"
#include "stargazer/plugin.h"
#include "worker/channel.h"
#include "worker/stop.h"

namespace stargazer::worker {

class Host {
 public:
  // All of them must outlive the object, which must live until the process ends: a thread that the job has left behind
  // may still call it.
  Host(RunCall call, Channel& channel, Stop& stop);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const stargazer_host& table() const { return table_; }

  // The result of the run, of which `returned` is what the job returned: the worse of that and what it set.
  RunAnswer settle(int returned) const;

 private:
  // What `table` gives a job is a part of this, so that a function finds its host.
  struct Table : stargazer_host {
    Host* host = nullptr;
  };
  static Host& host_of(const stargazer_host* table) { return *static_cast<const Table*>(table)->host; }

  static int stop_requested(const stargazer_host* table);
  static int log(const stargazer_host* table, int priority, const char* message);
  static int event(const stargazer_host* table, const stargazer_event* event);
  static int counter(const stargazer_host* table, const char* name, double value);
  static int progress(const stargazer_host* table, double done, double total, const char* message);
  static int verify_lease(const stargazer_host* table, char* message, size_t message_size);
  static int lease_write(const stargazer_host* table, size_t argument_count, const char* const* arguments, char* answer,
                         size_t answer_size);
  static int fail(const stargazer_host* table, const char* kind, const char* message);
  static int skip(const stargazer_host* table, const char* message);

  int say(const char* function, const Result<std::string>& line);
  int refuse(const char* function, const std::string& problem);
  int ask(const char* function, const std::string& method, const std::vector<std::string>& params, std::string& text);
  int code_of(const RpcReply& reply) const;

  const RunCall call_;
  Channel& channel_;
  Stop& stop_;
  Table table_{};
  std::atomic<bool> misused_{false};

  mutable std::mutex setting_;
  RunAnswer failure_;  // as it was set last
  RunAnswer skip_;
  bool failed_ = false;
  bool skipped_ = false;
};

}  // namespace stargazer::worker

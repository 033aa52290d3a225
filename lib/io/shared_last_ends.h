// When the cluster last ran its tasks with run_on = "leader", so that a daily task does not run again on the day of a
// change of leader. A hash in Redis beside the lease, `KEY:last_ends`: task name → microseconds since 1970.
//
// A leader asks once at the start of its term, again and again until it is told, and writes each end through the fence:
// what a past term still has to say is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <uv.h>

#include "core/seams.h"
#include "io/fence.h"
#include "io/redis.h"

namespace stargazer {

class SharedLastEnds {
 public:
  // The key for a lease key.
  static std::string key(const std::string& lease_key);

  struct Callbacks {
    std::function<void(LastEndsLearnt)> learnt;            // once a term
    std::function<void(const std::string& problem)> warn;  // on each new cause for which it cannot be read
  };

  // `redis` must outlive the object, which must live until redis has been closed. The loop must run once more after
  // close().
  SharedLastEnds(uv_loop_t* loop, Redis& redis, std::string lease_key, std::string node_id, Callbacks callbacks);
  SharedLastEnds(const SharedLastEnds&) = delete;
  SharedLastEnds& operator=(const SharedLastEnds&) = delete;

  // A term of this node begins: asks until it is told, at most once a second.
  void term_began();
  void term_ended();
  // A task has ended in the name of the term `epoch`. Sent at once, and again when Redis is reachable if it is not now.
  void record(const std::string& task, WallTime end, std::uint64_t epoch);
  void redis_reachable();
  void close();

 private:
  struct End {
    WallTime at;
    std::uint64_t epoch;
  };

  void ask();
  void on_answer(const Result<RedisValue>& answer);
  void send(const std::string& task);

  Redis& redis_;
  const std::string lease_key_;
  const std::string node_id_;
  const Callbacks callbacks_;
  uv_timer_t* retry_;       // freed by its own close callback
  std::uint64_t term_ = 0;  // counts this node's terms, so that an answer finds its own
  bool asking_ = false;
  std::string problem_;
  std::map<std::string, End> unsent_;  // at most one a task: the newest
};

// The hash as HGETALL answers it. Fails on anything that is not one; a field that holds no end between 1970 and 2200 is
// left out.
Result<std::map<std::string, WallTime>> last_ends_of(const RedisValue& answer);

}  // namespace stargazer

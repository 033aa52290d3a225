// The worker's end of fd 3 (io/worker_client.h). Reads in a thread of its own, writes from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "io/line_splitter.h"
#include "io/unique_fd.h"
#include "io/worker_client.h"
#include "worker/stop.h"

namespace stargazer::worker {

class Channel {
 public:
  // The daemon refuses more than this at once (WorkerRequests): further callers of request() wait here.
  static constexpr std::size_t kRequestsMax = 16;
  // A job that does not end after the daemon has gone is left to itself no longer.
  static constexpr int kAloneS = 5;

  // `socket` is blocking. `stop` is asked when the daemon says so or is gone.
  Channel(UniqueFd socket, Stop& stop);

  // Waits for the first `run`, the first thing that the daemon says. Fails when the daemon is gone before.
  Result<RunCall> read_run();

  // Waits for the `run` after one whose result was sent. Nothing when the daemon has no more. REQUIRES: listen was
  // called.
  std::optional<RunCall> next_run();

  // Hears the daemon in a thread from now on. When it is gone the process has kAloneS left. Fails when there can be no
  // thread, as in a run with processes_max = 1. REQUIRES: the object lives until the process ends; called once.
  Status listen();

  // Sends a line of the run with that id (RunCall). Waits while the daemon does not read. False when it is gone, or
  // when the result of that run has been sent.
  bool send(std::uint32_t run, const std::string& line);
  // The last line of the run: what comes after it is not sent.
  void send_result(const std::string& line);

  // Sends a request and waits for its answer; nothing when the daemon is gone, or the run over. Fails, with nothing
  // sent, when the parameters are not allowed. REQUIRES: listen was called, and this is not its thread.
  Result<std::optional<RpcReply>> request(std::uint32_t run, const std::string& method,
                                          const std::vector<std::string>& params);

 private:
  // The run that was told goes on from now.
  RunCall begin();
  // One more piece of what the daemon says. False at its end.
  bool read_some();
  void take(std::string_view line);
  void take(RunCall run);
  void take(RpcReply reply);
  bool write_all(const std::string& line);
  void on_gone();

  const UniqueFd socket_;
  Stop& stop_;
  LineSplitter lines_;
  std::optional<RunCall> told_;  // and not taken yet; under asking_ once there is a thread

  std::mutex writing_;
  std::uint32_t run_ = kRunRequestId;  // the one that goes on, 0 = none; under writing_

  std::mutex asking_;  // for all below
  std::condition_variable answered_;
  std::map<std::int64_t, std::optional<RpcReply>> requests_;  // under way, with their answers
  std::int64_t last_id_ = 0;
  bool gone_ = false;
};

}  // namespace stargazer::worker

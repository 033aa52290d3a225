// What one worker writes to its fd 3 and to its stdout, whatever it is and in whatever pieces it comes: what becomes of
// it keeps its limits, and a run beside it is not touched.
//
// The first byte of an input says how large the pieces are; one that begins with 0xff goes to stdout.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "daemon/worker_channel.h"
#include "daemon/worker_requests.h"
#include "io/line_splitter.h"

namespace {

using namespace stargazer;

constexpr RunId kHostile{1};
constexpr RunId kOther{2};
constexpr std::size_t kLineBytesMax = 300;  // of the pieces: short, so that lines are cut
constexpr std::uint32_t kLinesMax = 10;
// Beside what the budget lets through: refusals, marks, what was counted.
constexpr std::size_t kOwnLinesMax = 8;
constexpr std::size_t kMessageBytesMax = 20'000;

void must(bool holds) {
  if (!holds) std::abort();
}

class Bench {
 public:
  Bench() : requests_(nullptr, nullptr, {"lease", "node"}, request_callbacks()), channel_(callbacks(), budget()) {
    channel_.started(kHostile, "hostile");
    channel_.started(kOther, "other");
  }

  void fd3(std::string_view piece) { lines_.feed(piece); }
  void output(std::string_view piece) { stdout_.feed(piece); }

  void end() {
    lines_.finish();
    stdout_.finish();
    const std::size_t before = records_;
    channel_.ended(kHostile);
    must(records_ - before <= kOwnLinesMax);
    must(records_ <= kLinesMax + 2 * kOwnLinesMax);
    channel_.ended(kOther);
    must(said_of_other_ == 0);
    must(reported_ <= 1 && refused_ <= 1);
  }

 private:
  static LineBudget budget() { return LineBudget(1, kLinesMax); }

  WorkerRequests::Callbacks request_callbacks() {
    return {.leader = [] { return true; },
            .epoch_of = [](RunId) { return std::uint64_t{5}; },
            .answer = [this](RunId run, const std::string& line) { answer(run, line); }};
  }

  WorkerChannel::Callbacks callbacks() {
    return {.log = [this](const LogRecord& record) { log(record); },
            .log_congested = [] { return false; },
            .publish =
                [](RunId run, const DebugEvent& event) {
                  must(run == kHostile && !event.event_type.empty());
                  const RenderedEvent rendered = render(event, "id");
                  must(nlohmann::json::accept(rendered.message));
                },
            .events_congested = [] { return false; },
            .post = [this](const Input& input) { post(input); },
            .answer = [this](RunId run, const std::string& line) { answer(run, line); },
            .offered = [](RunId run, KeepOffer) { must(run == kHostile); },
            .request = [this](RunId run, const RpcRequest& request) { return requests_.take(run, request); },
            .run_id_text = [](RunId run) { return "run-" + std::to_string(run.number); },
            .now = [] { return Instant(std::chrono::seconds(1)); }};
  }

  void log(const LogRecord& record) {
    ++records_;
    must(record.message.size() <= kMessageBytesMax);
    for (const auto& [name, value] : record.fields) {
      must(value.size() <= kMessageBytesMax);
      if (name == "TASK" && value == "other") ++said_of_other_;
    }
  }

  void post(const Input& input) {
    if (const auto* reported = std::get_if<RunReported>(&input)) must(reported->run == kHostile && ++reported_ == 1);
    if (const auto* refused = std::get_if<SayingRefused>(&input)) must(refused->run == kHostile && ++refused_ == 1);
  }

  static void answer(RunId run, const std::string& line) {
    must(run == kHostile);
    must(line.find('\n') == std::string::npos);
    must(nlohmann::json::accept(line));
  }

  std::size_t records_ = 0;
  std::size_t said_of_other_ = 0;
  int reported_ = 0;
  int refused_ = 0;
  WorkerRequests requests_;
  WorkerChannel channel_;
  LineSplitter lines_{kLineBytesMax, [this](std::string_view text, bool cut) { channel_.take(kHostile, text, cut); }};
  LineSplitter stdout_{kLineBytesMax, [this](std::string_view text, bool cut) {
                         channel_.output({kHostile, "run-1", "hostile", OutputStream::kStdout, text, cut});
                       }};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.empty()) return 0;
  const std::size_t piece_bytes = static_cast<std::uint8_t>(bytes[0]) + std::size_t{1};
  bytes.remove_prefix(1);
  Bench bench;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    if (piece[0] == '\xff') {
      bench.output(piece);
    } else {
      bench.fd3(piece);
    }
    bytes.remove_prefix(piece.size());
  }
  bench.end();
  return 0;
}

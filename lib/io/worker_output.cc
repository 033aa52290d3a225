#include "io/worker_output.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include "io/log.h"

namespace stargazer {
namespace {

// While the log is congested, workers' pipes are looked at again after this long.
constexpr std::uint64_t kCongestionPauseMs = 20;

std::size_t place_of(OutputStream stream) {
  return static_cast<std::size_t>(stream);
}

}  // namespace

WorkerOutput::WorkerOutput(uv_loop_t* loop, std::size_t line_bytes_max, Callbacks callbacks)
    : loop_(loop), line_bytes_max_(line_bytes_max), callbacks_(std::move(callbacks)) {
  // However short its lines are, the log has room for them all if it was not congested before.
  static_assert(kReadBytesMax <= Log::kQueueMax / 2);
  uv_timer_init(loop, &congestion_timer_);
  congestion_timer_.data = this;
}

void WorkerOutput::watch(WorkerChild& child, UniqueFd stdout_read, UniqueFd stderr_read) {
  std::array<UniqueFd*, 2> ends{&stdout_read, &stderr_read};
  for (const OutputStream stream : kOutputStreams) {
    child.lines[place_of(stream)] = std::make_unique<LineSplitter>(
        line_bytes_max_, [this, &child, stream](std::string_view text, bool cut) { tell(child, stream, text, cut); });
    child.output_watch[place_of(stream)] =
        Watch::start(loop_, std::move(*ends[place_of(stream)]), [this, &child, stream] { on_readable(child, stream); });
  }
}

void WorkerOutput::tell(WorkerChild& child, OutputStream stream, std::string_view text, bool cut) {
  if (!child.busy() && child.unasked_bytes > kUnaskedBytesMax) return;
  callbacks_.line({child.run, child.run_id_text, child.name, stream, text, cut});
}

void WorkerOutput::on_readable(WorkerChild& child, OutputStream stream) {
  if (callbacks_.congested()) return hold_back(child, stream);
  if (read_some(child, stream) > 0) callbacks_.said(child);
}

// How much it was; 0 when there is nothing now, or nothing any more.
std::size_t WorkerOutput::read_some(WorkerChild& child, OutputStream stream) {
  const Watch* const output = child.output_watch[place_of(stream)];
  if (output == nullptr) return 0;
  const ssize_t count = read(output->fd(), buffer_.data(), buffer_.size());
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) end(child, stream);
  if (count <= 0) return 0;
  const auto read_bytes = static_cast<std::size_t>(count);
  if (!child.busy()) child.unasked_bytes += read_bytes;
  child.lines[place_of(stream)]->feed({buffer_.data(), read_bytes});
  return read_bytes;
}

WorkerOutput::Drained WorkerOutput::drain(WorkerChild& child) {
  for (const OutputStream stream : kOutputStreams) {
    std::size_t read_bytes = 0;
    do {
      if (callbacks_.congested()) {
        hold_back(child, stream);
        return Drained::kHeldBack;
      }
      const std::size_t more = read_some(child, stream);
      if (more == 0) break;
      read_bytes += more;
    } while (read_bytes <= kDrainBytesMax);
    child.lines[place_of(stream)]->finish();
    if (read_bytes > kDrainBytesMax) return Drained::kEndless;
  }
  return Drained::kEmpty;
}

void WorkerOutput::hold_back(WorkerChild& child, OutputStream stream) {
  if (Watch* const output = child.output_watch[place_of(stream)]) output->pause();
  const std::pair<WorkerChild*, OutputStream> entry{&child, stream};
  if (std::find(held_back_.begin(), held_back_.end(), entry) == held_back_.end()) held_back_.push_back(entry);
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&congestion_timer_)) != 0) return;
  uv_timer_start(
      &congestion_timer_, [](uv_timer_t* timer) { static_cast<WorkerOutput*>(timer->data)->resume_all(); },
      kCongestionPauseMs, 0);
}

void WorkerOutput::resume_all() {
  const auto held_back = std::exchange(held_back_, {});
  for (const auto& [child, stream] : held_back) {
    if (Watch* const output = child->output_watch[place_of(stream)]) output->resume();
  }
  // Each once, though two streams of it were held back; none of them is forgotten while it may have more to say.
  for (std::size_t place = 0; place < held_back.size(); ++place) {
    WorkerChild* const child = held_back[place].first;
    const auto same = [child](const auto& entry) { return entry.first == child; };
    const auto first = std::find_if(held_back.begin(), held_back.end(), same);
    if (static_cast<std::size_t>(first - held_back.begin()) == place) callbacks_.resumed(*child);
  }
}

void WorkerOutput::end(WorkerChild& child, OutputStream stream) {
  child.lines[place_of(stream)]->finish();
  std::exchange(child.output_watch[place_of(stream)], nullptr)->close();
  std::erase(held_back_, std::pair<WorkerChild*, OutputStream>{&child, stream});
  callbacks_.ended(child);
}

void WorkerOutput::give_up(WorkerChild& child) {
  for (const OutputStream stream : kOutputStreams) {
    if (child.output_watch[place_of(stream)] == nullptr) continue;
    child.lines[place_of(stream)]->finish();
    std::exchange(child.output_watch[place_of(stream)], nullptr)->close();
  }
  std::erase_if(held_back_, [&child](const auto& entry) { return entry.first == &child; });
}

void WorkerOutput::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&congestion_timer_), nullptr);
}

}  // namespace stargazer

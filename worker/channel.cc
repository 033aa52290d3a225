#include "worker/channel.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace stargazer::worker {
namespace {

constexpr std::size_t kReadBytesMax = 65536;

// SIGTERM is for the job's thread, whose system call it interrupts.
void block_sigterm() {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
}

}  // namespace

Channel::Channel(UniqueFd socket, Stop& stop)
    : socket_(std::move(socket)), stop_(stop), lines_(kRpcLineBytesMax, [this](std::string_view line, bool cut) {
        if (!cut) take(line);
      }) {}

Result<RunCall> Channel::read_run() {
  while (!told_) {
    if (!read_some()) return Error("the scheduler is gone before it has said what to run");
  }
  return begin();
}

std::optional<RunCall> Channel::next_run() {
  std::unique_lock lock(asking_);
  answered_.wait(lock, [this] { return told_ || gone_; });
  if (!told_) return std::nullopt;
  return begin();
}

RunCall Channel::begin() {
  RunCall run = *std::exchange(told_, std::nullopt);
  const std::lock_guard lock(writing_);
  run_ = run.id;
  return run;
}

Status Channel::listen() try {
  std::thread([this] {
    block_sigterm();
    while (read_some()) {
    }
    on_gone();
  }).detach();
  return {};
} catch (const std::system_error& error) {
  return Error(std::string("a thread that listens to the scheduler: ") + error.what());
}

bool Channel::read_some() {
  std::array<char, kReadBytesMax> buffer;
  const ssize_t count = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  lines_.feed({buffer.data(), static_cast<std::size_t>(count)});
  return true;
}

void Channel::take(std::string_view line) {
  DaemonSaying saying = parse_daemon_line(line);
  if (auto* run = std::get_if<RunCall>(&saying)) take(std::move(*run));
  if (std::holds_alternative<StopCall>(saying)) stop_.ask();
  if (auto* reply = std::get_if<RpcReply>(&saying)) take(std::move(*reply));
}

void Channel::take(RunCall run) {
  const std::lock_guard lock(asking_);
  told_ = std::move(run);
  answered_.notify_all();
}

void Channel::take(RpcReply reply) {
  const std::lock_guard lock(asking_);
  const auto place = requests_.find(reply.id);
  if (place == requests_.end()) return;
  place->second = std::move(reply);
  answered_.notify_all();
}

void Channel::on_gone() {
  {
    const std::lock_guard lock(asking_);
    gone_ = true;
  }
  answered_.notify_all();
  stop_.ask();
  sleep(kAloneS);
  _exit(1);
}

bool Channel::write_all(const std::string& line) {
  const std::string text = line + "\n";
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = ::send(socket_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  return true;
}

bool Channel::send(std::uint32_t run, const std::string& line) {
  const std::lock_guard lock(writing_);
  return run_ == run && write_all(line);
}

void Channel::send_result(const std::string& line) {
  const std::lock_guard lock(writing_);
  write_all(line);
  run_ = 0;
}

Result<std::optional<RpcReply>> Channel::request(std::uint32_t run, const std::string& method,
                                                 const std::vector<std::string>& params) {
  std::unique_lock lock(asking_);
  answered_.wait(lock, [this] { return requests_.size() < kRequestsMax || gone_; });
  const std::int64_t id = ++last_id_;
  const Result<std::string> line = request_line(id, method, params);
  if (!line.ok()) return line.error();
  const auto place = requests_.try_emplace(id).first;
  lock.unlock();
  const bool sent = send(run, *line);
  lock.lock();
  answered_.wait(lock, [&] { return place->second || gone_ || !sent; });
  std::optional<RpcReply> reply = std::move(place->second);
  requests_.erase(place);
  answered_.notify_all();
  return reply;
}

}  // namespace stargazer::worker

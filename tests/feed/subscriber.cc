// A subscriber that costs little: says when it listens, and at the end when what it waited for came.
//
// Prints "listening", and once it has seen COUNT different entries "FIRST_NS LAST_NS MESSAGES": when the first and the
// last message came, by CLOCK_MONOTONIC, and how many came in all, so that repeated ones show. An entry is told by the
// number that its field NUMBER holds; without one, or with one from COUNT on, it is passed by. With --latency FILE each
// message is also a line of FILE, "NUMBER NS NS": the time from that in its field SENT_NS to its arrival, and to when
// journald took it in hand. A connection that ends makes it end with 1.
//
// usage: feed_subscriber --socket PATH --channel NAME --count COUNT [--latency FILE]
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <getopt.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kNsPerUsec = 1000;
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "feed_subscriber: %s\n", what.c_str());
  std::exit(1);
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerS + static_cast<std::uint64_t>(now.tv_nsec);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return {};
  return value;
}

// The value of a member whose value is a string of digits; how much space a program leaves after the colon differs.
// `key`: the name in quotes, and the colon.
std::optional<std::uint64_t> member(std::string_view json, std::string_view key) {
  const auto found = json.find(key);
  const auto quote = found == std::string_view::npos ? found : json.find('"', found + key.size());
  if (quote == std::string_view::npos) return {};
  return number_of(json.substr(quote + 1));
}

// The replies of a connection, one value after the other. Views are good until the next call.
class Replies {
 public:
  explicit Replies(const std::string& socket_path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof(address.sun_path)) fail("the path of the socket is too long");
    socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("cannot connect");
  }

  void send_all(const std::string& text) const {
    if (send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) fail("cannot send");
  }

  // When the last byte that was read came.
  std::uint64_t arrived_ns() const { return arrived_ns_; }

  std::string_view line() {
    std::size_t searched = 0;
    for (;;) {
      const auto end = unread().find("\r\n", searched);
      if (end != std::string_view::npos) return take(end, 2);
      searched = unread().empty() ? 0 : unread().size() - 1;
      read_more(unread().size() + 1);
    }
  }

  std::string_view bulk() {
    const auto size = number_of(line().substr(1));
    if (!size) fail("not a reply of Redis");
    while (unread().size() < *size + 2) read_more(*size + 2);
    return take(*size, 2);
  }

 private:
  std::string_view unread() const { return std::string_view(buffer_).substr(begin_, end_ - begin_); }

  std::string_view take(std::size_t size, std::size_t separator) {
    const auto taken = unread().substr(0, size);
    begin_ += size + separator;
    return taken;
  }

  // Makes room for `wanted` unread bytes at least, and reads once.
  void read_more(std::size_t wanted) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() < wanted + kReadBytes) buffer_.resize(wanted + kReadBytes);
    const ssize_t got = recv(fd_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) fail("the connection has ended");
    arrived_ns_ = now_ns();
    end_ += static_cast<std::size_t>(got);
  }

  const int fd_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t arrived_ns_ = 0;
};

struct Options {
  std::string socket;
  std::string channel;
  std::size_t count = 0;
  std::string latency;  // "" = not wanted
};

Options parse(int argc, char** argv) {
  Options options;
  const option known[] = {{"socket", required_argument, nullptr, 's'},
                          {"channel", required_argument, nullptr, 'c'},
                          {"count", required_argument, nullptr, 'n'},
                          {"latency", required_argument, nullptr, 'l'},
                          {}};
  for (int letter = 0; (letter = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    if (letter == 's') options.socket = optarg;
    if (letter == 'c') options.channel = optarg;
    if (letter == 'n') options.count = number_of(optarg).value_or(0);
    if (letter == 'l') options.latency = optarg;
    if (letter == '?') std::exit(2);
  }
  if (options.socket.empty() || options.channel.empty() || options.count == 0) fail("an option is missing");
  return options;
}

class Watch {
 public:
  explicit Watch(const Options& options)
      : seen_(options.count), file_(options.latency.empty() ? nullptr : std::fopen(options.latency.c_str(), "we")) {
    if (file_ == nullptr && !options.latency.empty()) fail("cannot write " + options.latency);
  }

  void take(std::string_view json, std::uint64_t arrived_ns) {
    const auto number = member(json, "\"NUMBER\":");
    if (!number || *number >= seen_.size()) return;
    if (messages_++ == 0) first_ns_ = arrived_ns;
    last_ns_ = arrived_ns;
    distinct_ += seen_[*number] ? 0 : 1;
    seen_[*number] = true;
    if (file_ == nullptr) return;
    const auto sent_ns = member(json, "\"SENT_NS\":");
    if (!sent_ns) fail("no SENT_NS in " + std::string(json.substr(0, 500)));
    const auto written_usec = member(json, "\"__MONOTONIC_TIMESTAMP\":");
    if (!written_usec) fail("no __MONOTONIC_TIMESTAMP in " + std::string(json.substr(0, 500)));
    const std::uint64_t written_ns = *written_usec * kNsPerUsec;
    std::fprintf(file_, "%llu %llu %llu\n", static_cast<unsigned long long>(*number),
                 static_cast<unsigned long long>(arrived_ns - *sent_ns),
                 static_cast<unsigned long long>(std::max(written_ns, *sent_ns) - *sent_ns));
  }

  bool complete() const { return distinct_ == seen_.size(); }

  void report() {
    if (file_ != nullptr && std::fclose(file_) != 0) fail("the file of latencies is not complete");
    std::printf("%llu %llu %zu\n", static_cast<unsigned long long>(first_ns_),
                static_cast<unsigned long long>(last_ns_), messages_);
  }

 private:
  std::vector<bool> seen_;
  std::size_t distinct_ = 0;
  std::size_t messages_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::FILE* file_;
};

// The answer to SUBSCRIBE: its name, the channel, how many there are now.
void subscribe(Replies& replies, const std::string& channel) {
  replies.send_all("*2\r\n$9\r\nSUBSCRIBE\r\n$" + std::to_string(channel.size()) + "\r\n" + channel + "\r\n");
  if (replies.line() != "*3" || replies.bulk() != "subscribe" || replies.bulk() != channel || replies.line() != ":1") {
    fail("cannot subscribe");
  }
  std::puts("listening");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Replies replies(options.socket);
  Watch watch(options);
  subscribe(replies, options.channel);
  while (!watch.complete()) {
    if (replies.line() != "*3" || replies.bulk() != "message" || replies.bulk() != options.channel) {
      fail("not a message");
    }
    const auto payload = replies.bulk();
    watch.take(payload, replies.arrived_ns());
  }
  watch.report();
  return 0;
}

// Against a real notification socket, as systemd would open it.
#include "io/notify.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "io/unique_fd.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

class NotifyFixture {
 public:
  NotifyFixture() : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const std::string path = (directory_.path() / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::strcpy(address.sun_path, path.c_str());
    REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    REQUIRE(uv_loop_init(&loop) == 0);
  }
  ~NotifyFixture() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
  }
  NotifyFixture(const NotifyFixture&) = delete;
  NotifyFixture& operator=(const NotifyFixture&) = delete;

  // What has arrived and was not taken yet.
  std::vector<std::string> take() {
    std::vector<std::string> all;
    std::array<char, 4096> text{};
    for (ssize_t size = 0; (size = recv(socket_.get(), text.data(), text.size(), 0)) >= 0;) {
      all.emplace_back(text.data(), static_cast<std::size_t>(size));
    }
    return all;
  }

  uv_loop_t loop{};

 private:
  TemporaryDirectory directory_;
  UniqueFd socket_;
};

}  // namespace

TEST_CASE("systemd is told of readiness, of a status that changed, and of stopping", "[notify]") {
  NotifyFixture fixture;
  Notify notify(&fixture.loop, [] { return true; });
  notify.ready();
  notify.status("leader, 1 running");
  notify.status("leader, 1 running");
  notify.status("leader, 2 running");
  notify.stopping();
  notify.close();
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(fixture.take() ==
        std::vector<std::string>{"READY=1", "STATUS=leader, 1 running", "STATUS=leader, 2 running", "STOPPING=1"});
}

TEST_CASE("the watchdog is pinged from the loop for as long as systemd asks for it", "[notify]") {
  NotifyFixture fixture;
  setenv("WATCHDOG_USEC", "20000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  Notify notify(&fixture.loop, [] { return true; });
  CHECK(fixture.take().empty());
  for (std::size_t pings = 0; pings < 3;) {
    uv_run(&fixture.loop, UV_RUN_ONCE);
    for (const std::string& text : fixture.take()) {
      CHECK(text == "WATCHDOG=1");
      ++pings;
    }
  }
  notify.close();
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  fixture.take();
}

TEST_CASE("a daemon that is not healthy does not ping", "[notify]") {
  NotifyFixture fixture;
  setenv("WATCHDOG_USEC", "20000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  int asked = 0;
  Notify notify(&fixture.loop, [&asked] { return ++asked > 3; });
  while (asked < 3) uv_run(&fixture.loop, UV_RUN_ONCE);
  CHECK(fixture.take().empty());
  while (fixture.take().empty()) uv_run(&fixture.loop, UV_RUN_ONCE);
  CHECK(asked > 3);
  notify.close();
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  fixture.take();
}

TEST_CASE("another process's watchdog, or none, is not pinged", "[notify]") {
  NotifyFixture fixture;
  if (GENERATE(true, false)) {
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", std::to_string(getppid()).c_str(), 1);
  }
  Notify notify(&fixture.loop, [] { return true; });
  CHECK(uv_loop_alive(&fixture.loop) == 0);
  notify.close();
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
}

TEST_CASE("without systemd nothing is told and nothing fails", "[notify]") {
  NotifyFixture fixture;
  unsetenv("NOTIFY_SOCKET");
  Notify notify(&fixture.loop, [] { return true; });
  notify.ready();
  notify.status("text");
  notify.stopping();
  notify.close();
  uv_run(&fixture.loop, UV_RUN_DEFAULT);
  CHECK(fixture.take().empty());
}

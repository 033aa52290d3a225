// A plugin of test_plugins.py in C++, whose jobs let exceptions out.
#include <stargazer/plugin.h>
#include <stdexcept>
#include <thread>

namespace sample {

struct NoSuchChannel : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int throw_class(const stargazer_host*) {
  throw NoSuchChannel("there is no channel 7");
}

int throw_number(const stargazer_host*) {
  throw 7;
}

// Where no one can catch it.
int throw_in_thread(const stargazer_host*) {
  std::thread([] { throw NoSuchChannel("in a thread"); }).join();
  return STARGAZER_OK;
}

const stargazer_job kJobs[] = {{"throw", "lets an exception out", throw_class},
                               {"throw_number", "lets an int out", throw_number},
                               {"throw_in_thread", "lets an exception out of a thread", throw_in_thread}};
const stargazer_plugin kPlugin{STARGAZER_PLUGIN_ABI_VERSION, 3, "throws", kJobs};

}  // namespace sample

const stargazer_plugin* stargazer_plugin_entry() {
  return &sample::kPlugin;
}

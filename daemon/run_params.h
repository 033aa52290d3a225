// What a worker is told of its run: the parameters of `run` (docs/workers.md).
#pragma once

#include <string>

#include "core/config.h"
#include "core/seams.h"

namespace stargazer {

class RunParams {
 public:
  // Together more than this of JSON, flags are left out: the line must fit into a socket that nobody reads yet.
  static constexpr std::size_t kFlagsBytesMax = std::size_t{64} * 1024;

  // `config` is not kept.
  RunParams(const Config& config, std::string node_id);

  bool flags_left_out() const { return flags_left_out_; }
  // JSON. `wall_now` is the instant of the start.
  std::string json(const SpawnRequest& request, WallTime wall_now) const;

 private:
  std::string node_id_;
  std::string flags_ = "{}";
  // Members that only jobs of that kind get, each with a comma before it.
  std::string python_setup_;
  std::string plugin_setup_;
  bool flags_left_out_ = false;
};

}  // namespace stargazer

// Single stories as text: what is done at the margin, what happened indented. The commands are in
// tests/transcripts/README.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/result.h"
#include "sim/stage.h"
#include "sim/story_line.h"

namespace stargazer::sim {

class Story {
 public:
  Story() = default;
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // Carries out one command. Fails when it cannot be read, makes no sense now, or an invariant broke.
  Status carry_out(const std::string& command);
  // What has happened since the last call, a line each.
  std::vector<std::string> take_lines();

 private:
  using Handler = void (Story::*)(StoryLine& line);

  void define_nodes(StoryLine& line);
  void define_pool(StoryLine& line);
  void define_task(StoryLine& line);
  void define_worker(StoryLine& line);
  void plan_child(StoryLine& line);
  static void plan_sayings(StoryLine& line, ChildPlan& plan);
  void show(StoryLine& line);
  void start(StoryLine& line);
  void run(StoryLine& line);
  void steer_store(StoryLine& line);
  void upset_store(const std::string& what, StoryLine& line);
  void steer_way(const std::string& what, Node& node, StoryLine& line);
  void stop_daemon(StoryLine& line);
  void continue_daemon(StoryLine& line);
  void pause_machine(StoryLine& line);
  void resume_machine(StoryLine& line);
  void change_dependency(StoryLine& line);
  void stop(StoryLine& line);
  void crash(StoryLine& line);
  void boot(StoryLine& line);
  void print_status(StoryLine& line);

  // The node that the next word names; records a failure and answers null when there is none, or it is not `up`.
  Node* take_node(StoryLine& line, bool up);
  void take_in(const std::string& line);
  bool must_not_play(StoryLine& line) const;

  Config config_;
  std::uint32_t node_count_ = 1;
  bool machines_pause_ = false;
  std::map<std::string, ChildPlan> plans_;
  std::set<std::string> shown_;
  std::vector<std::string> lines_;
  std::unique_ptr<Stage> stage_;  // from `start` on
};

// Runs every *.txt of `directory`, in order of name, and compares. Prints what differs, and one line at the end; with
// `rewrite` the files are written anew instead. False when a story differs, breaks an invariant or cannot be read.
bool run_stories(const std::string& directory, bool rewrite);

}  // namespace stargazer::sim

#include "sim/story.h"

#include <array>
#include <optional>
#include <utility>

namespace stargazer::sim {
namespace {

constexpr Duration kLeaderWithin = std::chrono::minutes(5);
constexpr Duration kChildrenLeaveMax = std::chrono::milliseconds(100);

std::optional<Dependency> dependency_named(const std::string& name) {
  for (std::size_t place = 0; place < kDependencyCount; ++place) {
    const auto dependency = static_cast<Dependency>(place);
    if (name == name_of(dependency)) return dependency;
  }
  return std::nullopt;
}

}  // namespace

Status Story::carry_out(const std::string& command) {
  static const std::map<std::string, Handler> kHandlers{{"nodes", &Story::define_nodes},
                                                        {"pool", &Story::define_pool},
                                                        {"task", &Story::define_task},
                                                        {"worker", &Story::define_worker},
                                                        {"child", &Story::plan_child},
                                                        {"show", &Story::show},
                                                        {"start", &Story::start},
                                                        {"run", &Story::run},
                                                        {"lease-store", &Story::steer_store},
                                                        {"dependency", &Story::change_dependency},
                                                        {"stop", &Story::stop},
                                                        {"crash", &Story::crash},
                                                        {"boot", &Story::boot},
                                                        {"sigstop", &Story::stop_daemon},
                                                        {"sigcont", &Story::continue_daemon},
                                                        {"pause", &Story::pause_machine},
                                                        {"resume", &Story::resume_machine},
                                                        {"status", &Story::print_status}};
  StoryLine line(command);
  const auto handler = kHandlers.find(line.verb());
  if (handler == kHandlers.end()) return Error("no such command: " + line.verb());
  (this->*handler->second)(line);
  if (Status status = line.status(); !status.ok()) return status;
  if (stage_ && !stage_->verdict().ok()) return Error("VIOLATED at " + stage_->verdict().violation());
  return {};
}

std::vector<std::string> Story::take_lines() {
  return std::exchange(lines_, {});
}

// Keeps what the story shows: the lease's requests and the closing of channels only when asked for.
void Story::take_in(const std::string& line) {
  const std::size_t who = line.find(' ') + 1;
  const std::size_t what = line.find(' ', who) + 1;
  const bool of_lease = line.compare(who, 6, "store ") == 0 || line.compare(what, 6, "lease ") == 0;
  const bool of_channel = line.compare(what, 8, "channel ") == 0;
  const bool of_write = of_lease && line.find(" write ") != std::string::npos;
  if (of_write ? !shown_.contains("writes") : of_lease && !shown_.contains("lease")) return;
  if (of_channel && !shown_.contains("channels")) return;
  lines_.push_back(line);
}

// ---- Before the start -----------------------------------------------------------------------------------------------

bool Story::must_not_play(StoryLine& line) const {
  if (stage_) line.fail("comes after start");
  return !stage_;
}

void Story::define_nodes(StoryLine& line) {
  if (!must_not_play(line)) return;
  node_count_ = line.number_word();
  config_.lease.nodes = node_count_;
  config_.lease.ttl = line.duration("ttl", config_.lease.ttl);
  config_.scheduler.stop_deadline = line.duration("stop_deadline", config_.scheduler.stop_deadline);
  config_.scheduler.max_concurrent_runs = line.number("max_concurrent_runs", config_.scheduler.max_concurrent_runs);
  machines_pause_ = line.text("pauses", "no") == "yes";
  if (line.text("redis", "yes") == "yes") config_.redis.emplace();
  if (line.text("kg", "no") == "yes") config_.kg.emplace();
}

void Story::define_pool(StoryLine& line) {
  if (!must_not_play(line)) return;
  config_.pools[line.word()].limit = line.number("limit", 1);
}

void Story::define_task(StoryLine& line) {
  if (!must_not_play(line)) return;
  TaskConfig task;
  task.name = line.word();
  task.interval = line.duration("interval", std::chrono::minutes(1));
  task.initial_delay = line.duration("initial_delay", Duration::zero());
  task.timeout = line.duration("timeout", task.timeout);
  task.stop_grace = line.duration("stop_grace", task.stop_grace);
  task.retries = line.number("retries", 0);
  task.retry_backoff = line.duration("retry_backoff", task.retry_backoff);
  task.once = line.text("once", "no") == "yes";
  task.pool = line.text("pool");
  if (line.text("run_on", "every_node") == "leader") task.run_on = RunOn::kLeader;
  if (const std::string required = line.text("requires"); !required.empty()) {
    const std::optional<Dependency> dependency = dependency_named(required);
    if (!dependency) return line.fail("no such dependency: " + required);
    task.dependencies.insert(*dependency);
  }
  task.job = CommandJob{{task.name}};
  if (line.text("job") == "python") task.job = PythonJob{"story:" + task.name};
  plans_[task.name];
  config_.tasks.push_back(std::move(task));
}

void Story::define_worker(StoryLine& line) {
  if (!must_not_play(line)) return;
  SupervisedConfig worker;
  worker.name = line.word();
  worker.stop_grace = line.duration("stop_grace", Duration::zero());
  worker.job = CommandJob{{worker.name}};
  plans_[worker.name].runs_for.reset();
  config_.supervised.push_back(std::move(worker));
}

void Story::plan_child(StoryLine& line) {
  const std::string name = line.word();
  if (!plans_.contains(name)) return line.fail("no such task or worker: " + name);
  ChildPlan plan;
  plan.spawn_fails = line.text("spawn") == "fails";
  plan.runs_for = line.duration_unless("runs", "forever", Duration::zero());
  plan.status.code = static_cast<int>(line.number("exit", 0));
  plan.status.signal = static_cast<int>(line.number("signal", 0));
  plan.dies_of_term_after = line.duration_unless("term", "ignored", Duration::zero());
  plan.dies_of_kill_after = line.duration("kill", Duration::zero());
  plan.channel_after_exit = line.duration_unless("output", "held", Duration::zero());
  plan.writes_every = line.duration_unless("writes", "", Duration::zero());
  if (plan.writes_every == Duration::zero()) plan.writes_every.reset();
  plan_sayings(line, plan);
  plans_[name] = plan;
}

// What the child says on its fd 3.
void Story::plan_sayings(StoryLine& line, ChildPlan& plan) {
  const std::string reports = line.text("reports");
  const std::string says = line.text("says");
  if (!reports.empty() && reports != "ok" && reports != "skipped" && reports != "failed")
    line.fail("no such result: " + reports);
  if (!reports.empty()) {
    const Outcome outcome = reports == "ok" ? Outcome::kOk : reports == "failed" ? Outcome::kFailed : Outcome::kSkipped;
    plan.reports = RunReported{{}, outcome, says, line.text("error")};
  }
  const auto total = static_cast<double>(line.number("progress", 0));
  if (total > 0) plan.progress = ProgressReported{{}, 1, total, ""};
}

void Story::show(StoryLine& line) {
  shown_.insert(line.word());
}

void Story::start(StoryLine& line) {
  if (!must_not_play(line)) return;
  for (const ConfigProblem& problem : check_relations(config_)) line.fail(problem.key + " " + problem.problem);
  if (!line.status().ok()) return;
  stage_ = std::make_unique<Stage>(config_, node_count_, machines_pause_, plans_,
                                   [this](const std::string& text) { take_in(text); });
  for (const auto& node : stage_->nodes()) stage_->boot(*node);
  stage_->run(Duration::zero());
}

// ---- After the start ------------------------------------------------------------------------------------------------

Node* Story::take_node(StoryLine& line, bool up) {
  const std::string name = line.word();
  Node* node = stage_ ? stage_->node(name) : nullptr;
  if (node != nullptr && node->up() == up) return node;
  line.fail(node == nullptr ? "no such node: " + name : name + (up ? " is down" : " is up"));
  return nullptr;
}

void Story::run(StoryLine& line) {
  if (!stage_) return line.fail("comes before start");
  const std::string how_long = line.word();
  if (how_long == "until") {
    if (line.word() != "leader") return line.fail("until what?");
    if (!stage_->run_until_leader(kLeaderWithin)) line.fail("no leader within " + format_duration(kLeaderWithin));
    return;
  }
  const Result<Duration> length = parse_duration(how_long);
  if (!length.ok()) return line.fail(length.error().message());
  stage_->run(*length);
}

void Story::steer_store(StoryLine& line) {
  const std::string what = line.word();
  if (!stage_ || stage_->server() == nullptr) return line.fail("there is no store");
  if (what == "restart" || what == "flush" || what == "set-clock" || what == "fail-over")
    return upset_store(what, line);
  if (Node* node = take_node(line, true)) steer_way(what, *node, line);
}

void Story::upset_store(const std::string& what, StoryLine& line) {
  StoreServer& server = *stage_->server();
  const Duration back_in = line.duration("back_in", Duration::zero());
  const Duration lag = line.duration("lag", Duration::zero());
  const Duration forward = line.duration("forward", Duration::zero());
  const Duration back = line.duration("back", Duration::zero());
  if (what == "restart") return server.restart(back_in, line.text("data", "kept") == "lost");
  if (what == "fail-over") return server.fail_over(back_in, lag, Duration::zero());
  if (what == "flush") return server.flush();
  server.step_clock(forward - back);
}

void Story::steer_way(const std::string& what, Node& node, StoryLine& line) {
  if (what == "drop-requests") return node.store().drop_requests(true);
  if (what == "drop-replies") return node.store().drop_replies(true);
  if (what == "delay-requests") return node.store().delay_requests(line.duration_word());
  if (what != "pass") return line.fail("no such thing can happen to a store: " + what);
  node.store().drop_requests(false);
  node.store().drop_replies(false);
  node.store().delay_requests(Duration::zero());
}

void Story::stop_daemon(StoryLine& line) {
  if (Node* node = take_node(line, true)) node->stop_daemon(true);
}

void Story::continue_daemon(StoryLine& line) {
  Node* node = take_node(line, true);
  if (node == nullptr) return;
  node->stop_daemon(false);
  stage_->run(Duration::zero());
}

void Story::pause_machine(StoryLine& line) {
  if (Node* node = take_node(line, true)) node->pause_machine(true);
}

void Story::resume_machine(StoryLine& line) {
  Node* node = take_node(line, true);
  if (node == nullptr) return;
  node->pause_machine(false);
  stage_->run(Duration::zero());
}

void Story::change_dependency(StoryLine& line) {
  Node* node = take_node(line, true);
  const std::optional<Dependency> dependency = dependency_named(line.word());
  const std::string how = line.word();
  if (node == nullptr) return;
  if (!dependency || (how != "up" && how != "down")) return line.fail("allowed is NODE DEPENDENCY up|down");
  node->post(DependencyChanged{*dependency, how == "up", how == "up" ? "" : "connect: Connection refused"});
  stage_->run(Duration::zero());
}

void Story::stop(StoryLine& line) {
  Node* node = take_node(line, true);
  if (node == nullptr) return;
  node->post(StopRequested{node->stopping() ? "SIGINT" : "SIGTERM"});
  stage_->run(Duration::zero());
}

void Story::crash(StoryLine& line) {
  if (Node* node = take_node(line, true)) node->crash(kChildrenLeaveMax);
}

void Story::boot(StoryLine& line) {
  Node* node = take_node(line, false);
  if (node == nullptr) return;
  stage_->boot(*node);
  stage_->run(Duration::zero());
}

void Story::print_status(StoryLine& line) {
  Node* node = take_node(line, true);
  if (node == nullptr) return;
  for (const TaskStatus& status : node->supervisor().status()) {
    lines_.push_back(node->name() + " " + status.name + ": " + status.why);
  }
}

}  // namespace stargazer::sim
